#include "tasks/needle/generation.hpp"

#include <gtest/gtest.h>

#include <array>
#include <optional>

#include "eval/ring_predictor.hpp"
#include "support/expect_error.hpp"
#include "tasks/needle/drawn_trial.hpp"

namespace ringworld::test {
namespace {

constexpr std::int64_t context_length = 96;
constexpr double theta = 500.0;

ModelConfig small_config() {
  return {.hidden_size = 32,
          .ffn_size = 48,
          .layers = 2,
          .heads = 2,
          .kv_heads = 2,
          .head_size = 16,
          .vocabulary = words().vocab_size(),
          .rope_theta = theta,
          .has_attention_bias = true,
          .initializer_range = 0.4};
}

/// An untrained model, which knows no answer, with all that is needed to ask it.
class UntrainedModel {
 public:
  UntrainedModel()
      : mesh_(Communicator::world(), MeshShape{{1, 1, 1, Communicator::world().size()}}),
        parameters_(small_config(), mesh_) {
    parameters_.initialize(Initialization::lwm, 5);
    one_pass_.emplace(parameters_, ModelOptions{.context_length = context_length, .is_forward_only = true}, theta);
  }

  /// A trial whose right answers are what the model itself says: each token the likeliest of a whole pass.
  NeedleTrial as_the_model_says(NeedleTrial trial) {
    for (const AskedNeedle& asked : trial.asked) {
      for (std::int64_t token = 0; token < asked.answer_length; ++token) {
        const std::array<TokenPlace, 1> place{{{.row = 0, .position = asked.answer_begin + token}}};
        trial.tokens[static_cast<std::size_t>(place[0].position)] =
            one_pass_->predict(trial.tokens, place)[0].likeliest;
      }
    }
    return trial;
  }

  NeedleScore generate(const NeedleCellPlan& plan, const TrialSource& source) {
    decoders_made_ = 0;
    return generate_needle_cell(plan, source, words(), [this](const PromptShape& shape) -> GreedyDecoder& {
      if (!decoder_ || shape != shape_) {
        decoder_.emplace(parameters_, DecoderOptions{.batch = shape.batch,
                                                     .prompt_length = shape.prompt_length,
                                                     .new_tokens = shape.new_tokens,
                                                     .rope_theta = theta});
        shape_ = shape;
        ++decoders_made_;
      }
      return *decoder_;
    });
  }

  [[nodiscard]] int decoders_made() const { return decoders_made_; }

 private:
  Mesh mesh_;
  ShardedParameters parameters_;
  std::optional<RingPredictor> one_pass_;
  std::optional<GreedyDecoder> decoder_;
  PromptShape shape_;
  int decoders_made_ = 0;
};

NeedleCellPlan plan_of(std::int64_t planted, std::int64_t asked, std::int64_t contexts, std::int64_t per_pass) {
  NeedleCellPlan plan{.cell = {.context_length = context_length, .planted = planted, .asked = asked, .seed = 3},
                      .contexts = contexts,
                      .contexts_per_pass = per_pass};
  if (planted == 1) {
    plan.cell.depth = 0.5;
  }
  return plan;
}

TEST(NeedleGeneration, HitsAreTheAnswersThatWholePassesGive) {
  UntrainedModel model;
  for (const auto& [planted, asked] : {std::pair{1, 1}, std::pair{3, 2}}) {
    // Every other trial is one that the model answers as it should.
    const TrialSource source = [&](const NeedleCell& cell, std::int64_t trial) {
      return trial % 2 == 0 ? model.as_the_model_says(draw(cell, trial)) : draw(cell, trial);
    };
    const NeedleScore score = model.generate(plan_of(planted, asked, 6, 4), source);
    EXPECT_EQ(score.contexts, 6);
    EXPECT_EQ(score.trials, 6 * asked);
    EXPECT_EQ(score.hits, 3 * asked);
  }
}

TEST(NeedleGeneration, ReadsTrialsSideBySideWhereTheirAnswersStandAlike) {
  UntrainedModel model;
  (void)model.generate(plan_of(1, 1, 8, 4), draw);
  EXPECT_EQ(model.decoders_made(), 1) << "two passes of four";
  // One trial in three has a prompt that is a token shorter.
  const TrialSource uneven = [](const NeedleCell& cell, std::int64_t trial) {
    NeedleCell mine = cell;
    mine.context_length -= trial % 3 == 2 ? 1 : 0;
    return draw(mine, trial);
  };
  EXPECT_EQ(model.generate(plan_of(1, 1, 6, 4), uneven).contexts, 6);
  EXPECT_GT(model.decoders_made(), 1);
}

TEST(NeedleGeneration, CountsAnswersThatAreAnotherNeedlesValue) {
  UntrainedModel model;
  // The second needle's value becomes what the model says of the first.
  const TrialSource source = [&](const NeedleCell& cell, std::int64_t trial) {
    NeedleTrial drawn = draw(cell, trial);
    const AskedNeedle asked = drawn.asked.front();
    const NeedleTrial said = model.as_the_model_says(drawn);
    const auto answer =
        std::span(said.tokens)
            .subspan(static_cast<std::size_t>(asked.answer_begin), static_cast<std::size_t>(asked.answer_length));
    std::string text = words().decode(answer);
    std::erase(text, ' ');
    drawn.needles[static_cast<std::size_t>(1 - asked.needle)].value = text;
    return drawn;
  };
  const NeedleScore score = model.generate(plan_of(2, 1, 4, 2), source);
  EXPECT_EQ(score.hits, 0);
  EXPECT_EQ(score.wrong_needle, 4);
}

TEST(NeedleGeneration, RefusesAPlanWithoutContexts) {
  UntrainedModel model;
  expect_error(ErrorKind::bad_input, [&] { (void)model.generate(plan_of(1, 1, 0, 1), draw); }, {"0 contexts"});
}

}  // namespace
}  // namespace ringworld::test
