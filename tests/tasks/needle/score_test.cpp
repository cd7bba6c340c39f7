#include "tasks/needle/score.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/expect_error.hpp"
#include "tasks/needle/drawn_trial.hpp"

namespace ringworld::test {
namespace {

/// What a rule says at a place: it sees one sequence up to the place, and which token of an answer is asked for.
using Rule = std::function<Token(std::span<const Token> before, std::int64_t answer_token)>;

/// A model that follows a rule and counts its passes.
class RuleModel {
 public:
  RuleModel(std::int64_t context_length, Rule rule) : context_length_(context_length), rule_(std::move(rule)) {}

  [[nodiscard]] NextTokenPredictor function() {
    return [this](std::span<const Token> tokens, std::span<const TokenPlace> places) {
      ++passes_;
      std::vector<NextToken> said;
      for (const TokenPlace& place : places) {
        const auto before = tokens.subspan(static_cast<std::size_t>(place.row * context_length_),
                                           static_cast<std::size_t>(place.position));
        std::int64_t token = 0;
        while (!words().is_key(before[before.size() - 1 - static_cast<std::size_t>(token)])) {
          ++token;
        }
        said.push_back({.likeliest = rule_(before, token)});
      }
      return said;
    };
  }
  [[nodiscard]] int passes() const { return passes_; }

 private:
  std::int64_t context_length_;
  Rule rule_;
  int passes_ = 0;
};

/// The token `offset` places after the first `token` of the sequence.
Token after_first(std::span<const Token> sequence, Token token, std::int64_t offset) {
  return *(std::ranges::find(sequence, token) + offset);
}

/// Reads the key of the question and finds its needle.
Token finds_the_needle(std::span<const Token> before, std::int64_t answer_token) {
  const Token key = before[before.size() - 1 - static_cast<std::size_t>(answer_token)];
  return after_first(before, key, 1 + answer_token);
}

Token first_key(std::span<const Token> sequence) {
  return *std::ranges::find_if(sequence, [](Token token) { return words().is_key(token); });
}

/// Names the first needle whatever is asked for, and goes on from its own last token only: it needs to have been
/// heard to finish.
Token always_names_the_first(std::span<const Token> before, std::int64_t answer_token) {
  const Token first = after_first(before, first_key(before), 1);
  if (answer_token == 0) {
    return first;
  }
  return before.back() == first ? after_first(before, first_key(before), 2) : words().unknown();
}

NeedleScore score(const NeedleCell& cell, std::int64_t contexts, std::int64_t contexts_per_pass, RuleModel& model) {
  return score_needle_cell({.cell = cell, .contexts = contexts, .contexts_per_pass = contexts_per_pass}, draw, words(),
                           model.function());
}

TEST(NeedleScore, AModelThatFindsEveryNeedleHitsAlwaysInOnePass) {
  RuleModel model(400, finds_the_needle);
  const NeedleScore found = score({.context_length = 400, .planted = 8, .asked = 4, .seed = 5}, 6, 6, model);
  EXPECT_EQ(found, (NeedleScore{.contexts = 6, .trials = 24, .hits = 24, .wrong_needle = 0}));
  EXPECT_EQ(model.passes(), 1);
}

TEST(NeedleScore, DoesNotDependOnHowManyContextsShareAPass) {
  const NeedleCell cell{.context_length = 300, .planted = 4, .asked = 2, .seed = 9};
  RuleModel whole(300, always_names_the_first);
  const NeedleScore expected = score(cell, 7, 7, whole);
  EXPECT_GT(expected.wrong_needle, 0);
  for (const std::int64_t contexts_per_pass : {1, 2, 3, 100}) {
    RuleModel model(300, always_names_the_first);
    EXPECT_EQ(score(cell, 7, contexts_per_pass, model), expected) << contexts_per_pass;
  }
}

TEST(NeedleScore, CountsAnswersThatAreAnotherNeedlesValue) {
  const NeedleCell cell{.context_length = 400, .planted = 6, .asked = 6, .seed = 2};
  constexpr std::int64_t contexts = 10;
  RuleModel model(400, always_names_the_first);
  const NeedleScore found = score(cell, contexts, 5, model);
  EXPECT_EQ(found.trials, 60);
  // The first needle itself is a hit, the five others are answered with its value: equal ones are hits as well.
  EXPECT_GE(found.hits, contexts);
  EXPECT_EQ(found.hits + found.wrong_needle, found.trials);
  EXPECT_EQ(model.passes(), 4) << "two passes of five contexts, each with one to complete the wrong answers";
}

TEST(NeedleScore, AnAnswerThatIsNoNeedlesValueIsOnlyWrong) {
  RuleModel model(200, [](std::span<const Token>, std::int64_t) { return words().unknown(); });
  const NeedleScore found = score({.context_length = 200, .planted = 4, .asked = 2, .seed = 1}, 3, 2, model);
  EXPECT_EQ(found, (NeedleScore{.contexts = 3, .trials = 6, .hits = 0, .wrong_needle = 0}));
  EXPECT_EQ(model.passes(), 2) << "nothing is worth completing";
}

TEST(NeedleScore, EveryTokenOfAnAnswerMustBeRight) {
  RuleModel model(200, [](std::span<const Token> before, std::int64_t token) {
    return token == 0 ? finds_the_needle(before, token) : words().unknown();
  });
  EXPECT_EQ(score({.context_length = 200, .depth = 0.5, .seed = 1}, 4, 4, model).hits, 0);
}

TEST(NeedleScore, TellsHowFarItIs) {
  RuleModel model(100, finds_the_needle);
  std::vector<std::int64_t> heard;
  (void)score_needle_cell({.cell = {.context_length = 100, .depth = 0.0}, .contexts = 5, .contexts_per_pass = 2}, draw,
                          words(), model.function(), [&](std::int64_t contexts) { heard.push_back(contexts); });
  EXPECT_EQ(heard, (std::vector<std::int64_t>{2, 4, 5}));
}

TEST(NeedleScore, RefusesAPlanWithoutContexts) {
  RuleModel model(100, finds_the_needle);
  expect_error(ErrorKind::bad_input, [&] { (void)score({.context_length = 100}, 0, 1, model); }, {"0 contexts"});
}

}  // namespace
}  // namespace ringworld::test
