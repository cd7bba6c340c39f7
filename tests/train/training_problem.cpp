#include "train/training_problem.hpp"

#include <stdlib.h>  // mkdtemp

#include <algorithm>
#include <utility>

#include "core/random.hpp"

namespace ringworld::test {

TrainingSequence ChainBatches::draw_sequence(std::int64_t index) const {
  const CounterRng random(seed_, static_cast<std::uint64_t>(index));
  TrainingSequence sequence;
  auto token = static_cast<Token>(random.integer(0, static_cast<std::uint64_t>(vocabulary_.size())));
  for (std::int64_t i = 0; i <= context_length(); ++i) {
    sequence.tokens.push_back(token);
    const auto step = static_cast<Token>(random.integer(static_cast<std::uint64_t>(i + 1), 3));
    token = static_cast<Token>((7 * token + step) % vocabulary_.size());
  }
  sequence.terms.assign(static_cast<std::size_t>(context_length()), 1);
  for (std::size_t i = 2; i < sequence.terms.size(); i += 5) {
    sequence.terms[i] = i % 2 == 0 ? TermIndex{0} : no_term;
  }
  if (vocabulary_.parts().size() > 1) {
    std::transform(sequence.tokens.begin() + 1, sequence.tokens.end(), sequence.terms.begin(),
                   [&](Token target) { return static_cast<TermIndex>(vocabulary_.part_of(target)); });
  }
  return sequence;
}

TermCounts ChainBatches::count_targets(std::int64_t index) const {
  return count_terms(draw_sequence(index).terms, terms().size());
}

TrainingPlan small_plan(const MeshShape& mesh, std::int64_t steps) {
  TrainingPlan plan;
  plan.model = {.hidden_size = 40,
                .ffn_size = 56,
                .layers = 2,
                .heads = 4,
                .kv_heads = 4,
                .head_size = 16,
                .vocabulary = 53,
                .rope_theta = 512.0,
                .has_attention_bias = true};
  plan.seed = 7;
  Stage& stage = plan.stages.emplace_back();
  stage.context_length = 24;
  stage.rope_theta = 512.0;
  stage.steps = steps;
  stage.batch = 4;
  stage.mesh = mesh;
  stage.learning_rate = {.peak = 3e-3, .minimum = 3e-4, .warmup_steps = 3, .shape = DecayShape::linear, .hold = 0.5};
  return plan;
}

TrainingRun small_run(TrainingPlan plan, std::filesystem::path checkpoint) {
  TrainingRun run;
  run.plan = std::move(plan);
  run.checkpoint.path = std::move(checkpoint);
  run.tokenizer = "byte\n";
  run.make_source = [vocabulary = run.plan.model.vocabulary](const Stage& stage, std::int64_t index) {
    std::vector<LossTerm> terms{{.name = "answer"}, {.name = "text"}};
    if (vocabulary.parts().size() > 1) {
      terms.clear();
      for (const VocabularyPart& part : vocabulary.parts()) {
        terms.push_back({.name = part.name, .weight = 1.0 / static_cast<double>(vocabulary.parts().size())});
      }
    }
    const BatchOptions batch{.context_length = stage.context_length,
                             .sequences_per_step = stage.batch,
                             .terms = terms,
                             .attends_within_documents = false};
    return std::make_unique<ChainBatches>(batch, 100 + static_cast<std::uint64_t>(index), vocabulary);
  };
  return run;
}

SharedDirectory::SharedDirectory(Communicator communicator) : communicator_(std::move(communicator)) {
  std::string path;
  on_root(communicator_, [&] {
    path = (std::filesystem::temp_directory_path() / "ringworld-train-XXXXXX").string();
    require(::mkdtemp(path.data()) != nullptr, "no temporary directory");
  });
  path_ = communicator_.broadcast(path, 0);
}

SharedDirectory::~SharedDirectory() {
  communicator_.barrier();
  if (communicator_.is_root()) {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
}

}  // namespace ringworld::test
