#include "tasks/needle/score.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "tasks/needle/answer.hpp"

namespace ringworld {
namespace {

/// A wrong answer that the model completes.
struct WrongAnswer {
  std::int64_t row = 0;
  AskedNeedle asked;
  std::vector<Token> generated;  ///< the model's tokens, up to where they are its own
};

/// Trials side by side: one pass of the model.
class ScoredTrials {
 public:
  ScoredTrials(std::vector<NeedleTrial> trials, const Tokenizer& tokenizer, const NextTokenPredictor& model)
      : trials_(std::move(trials)),
        row_length_(static_cast<std::int64_t>(trials_.front().tokens.size())),
        tokenizer_(tokenizer),
        model_(model) {
    for (const NeedleTrial& trial : trials_) {
      tokens_.insert(tokens_.end(), trial.tokens.begin(), trial.tokens.end());
    }
  }

  void add_to(NeedleScore& score) {
    std::vector<TokenPlace> places;
    for (std::size_t row = 0; row < trials_.size(); ++row) {
      for (const AskedNeedle& asked : trials_[row].asked) {
        append_places(static_cast<std::int64_t>(row), asked, 0, places);
      }
    }
    const std::vector<NextToken> predictions = model_(tokens_, places);
    auto next = predictions.begin();
    std::vector<WrongAnswer> wrong;
    for (std::size_t row = 0; row < trials_.size(); ++row) {
      for (const AskedNeedle& asked : trials_[row].asked) {
        const auto right = tokens_.begin() + static_cast<std::int64_t>(row) * row_length_ + asked.answer_begin;
        std::int64_t agreed = 0;
        while (agreed < asked.answer_length && (next + agreed)->likeliest == right[agreed]) {
          ++agreed;
        }
        ++score.trials;
        if (agreed == asked.answer_length) {
          ++score.hits;
        } else {
          WrongAnswer answer{
              .row = static_cast<std::int64_t>(row), .asked = asked, .generated = {right, right + agreed}};
          answer.generated.push_back((next + agreed)->likeliest);
          wrong.push_back(std::move(answer));
        }
        next += asked.answer_length;
      }
    }
    score.contexts += static_cast<std::int64_t>(trials_.size());
    score.wrong_needle += count_wrong_needles(std::move(wrong));
  }

 private:
  static void append_places(std::int64_t row, const AskedNeedle& asked, std::int64_t from,
                            std::vector<TokenPlace>& places) {
    for (std::int64_t token = from; token < asked.answer_length; ++token) {
      places.push_back({.row = row, .position = asked.answer_begin + token});
    }
  }

  [[nodiscard]] std::int64_t count_wrong_needles(std::vector<WrongAnswer> open) {
    std::int64_t count = 0;
    while (true) {
      std::vector<WrongAnswer> unfinished;
      for (WrongAnswer& answer : open) {
        const NeedleTrial& trial = trials_[static_cast<std::size_t>(answer.row)];
        const std::string text = printed_answer(tokenizer_, answer.generated);
        if (std::ssize(answer.generated) == answer.asked.answer_length) {
          count += is_another_value(trial, answer.asked.needle, text) ? 1 : 0;
        } else if (begins_another_value(trial, answer.asked.needle, text)) {
          unfinished.push_back(std::move(answer));
        }
      }
      if (unfinished.empty()) {
        return count;
      }
      complete_by_one(unfinished);
      open = std::move(unfinished);
    }
  }

  /// The next token of each answer. Earlier answers of a trial stand as given, wrong ones as the model said them.
  void complete_by_one(std::vector<WrongAnswer>& answers) {
    std::vector<TokenPlace> places;
    for (const WrongAnswer& answer : answers) {
      const std::int64_t begin = answer.row * row_length_ + answer.asked.answer_begin;
      std::ranges::copy(answer.generated, tokens_.begin() + begin);
      places.push_back({.row = answer.row, .position = answer.asked.answer_begin + std::ssize(answer.generated)});
    }
    const std::vector<NextToken> predictions = model_(tokens_, places);
    for (std::size_t index = 0; index < answers.size(); ++index) {
      answers[index].generated.push_back(predictions[index].likeliest);
    }
  }

  std::vector<NeedleTrial> trials_;
  std::int64_t row_length_;
  const Tokenizer& tokenizer_;
  const NextTokenPredictor& model_;
  std::vector<Token> tokens_;  // (B, S)
};

}  // namespace

void require_plan(const NeedleCellPlan& plan) {
  require_input(plan.contexts >= 1, fmt::format("{} contexts a needle cell: at least 1", plan.contexts));
  require_input(plan.contexts_per_pass >= 1, fmt::format("{} contexts a pass: at least 1", plan.contexts_per_pass));
}

NeedleScore score_needle_cell(const NeedleCellPlan& plan, const TrialSource& draw, const Tokenizer& tokenizer,
                              const NextTokenPredictor& model, const NeedleProgress& progress) {
  require_plan(plan);
  NeedleScore score;
  while (score.contexts < plan.contexts) {
    const std::int64_t rows = std::min(plan.contexts_per_pass, plan.contexts - score.contexts);
    std::vector<NeedleTrial> trials;
    for (std::int64_t row = 0; row < rows; ++row) {
      trials.push_back(draw(plan.cell, score.contexts + row));
    }
    ScoredTrials(std::move(trials), tokenizer, model).add_to(score);
    if (progress) {
      progress(score.contexts);
    }
  }
  return score;
}

}  // namespace ringworld
