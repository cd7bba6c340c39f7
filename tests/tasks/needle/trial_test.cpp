#include "tasks/needle/trial.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "support/expect_error.hpp"
#include "tasks/needle/drawn_trial.hpp"

namespace ringworld::test {
namespace {

std::string decode(const NeedleTrial& trial, std::int64_t begin, std::int64_t length) {
  return small_world().words.decode(
      std::span(trial.tokens).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(length)));
}

void expect_answers_stand(const NeedleTrial& trial) {
  for (const AskedNeedle& asked : trial.asked) {
    const PlantedNeedle& needle = trial.needles[static_cast<std::size_t>(asked.needle)];
    const std::string answer = needle.value.substr(0, 2) + " " + needle.value.substr(2);
    EXPECT_EQ(decode(trial, asked.answer_begin, asked.answer_length), answer);
    EXPECT_EQ(decode(trial, asked.answer_begin - 7, 7), "what is the magic number for " + needle.key + ":");
    EXPECT_EQ(decode(trial, needle.begin, needle.length), "the magic number for " + needle.key + ": " + answer + " .");
  }
}

TEST(NeedleTrial, HoldsExactlyItsContextLength) {
  for (const std::int64_t length : {18, 19, 64, 1000}) {
    const NeedleTrial trial = draw({.context_length = length, .depth = 0.5});
    EXPECT_EQ(static_cast<std::int64_t>(trial.tokens.size()), length);
    EXPECT_EQ(trial.tokens.front(), small_world().words.bos());
    ASSERT_EQ(trial.asked.size(), 1U);
    EXPECT_EQ(trial.asked[0].answer_begin, length - 2) << "the last input is the last answer token";
    EXPECT_EQ(trial.prompt_length, length - 2);
    expect_answers_stand(trial);
  }
}

TEST(NeedleTrial, DepthsZeroAndOneAreExact) {
  const NeedleTrial first = draw({.context_length = 300, .depth = 0.0});
  EXPECT_EQ(first.needles[0].begin, 1) << "after <bos>";
  EXPECT_EQ(first.needles[0].depth, 0.0);
  const NeedleTrial last = draw({.context_length = 300, .depth = 1.0});
  EXPECT_EQ(last.needles[0].begin, 300 - 9 - 8) << "next to the question, whose last token is no input";
  EXPECT_EQ(last.needles[0].depth, 1.0);
  const NeedleTrial middle = draw({.context_length = 300, .depth = 0.5});
  EXPECT_EQ(middle.needles[0].begin, 1 + 282 / 2);
}

TEST(NeedleTrial, DoesNotDependOnWhatWasDrawnBefore) {
  const NeedleCell cell{.context_length = 512, .depth = 0.25, .planted = 4, .asked = 2, .seed = 9};
  const NeedleTrial trial = draw(cell, 5);
  (void)draw(cell, 4);
  EXPECT_EQ(draw(cell, 5), trial);
}

TEST(NeedleTrial, EachTrialAndCellDrawsItsOwn) {
  const NeedleCell cell{.context_length = 512, .depth = 0.25, .planted = 4, .asked = 2, .seed = 9};
  std::vector<NeedleCell> cells(6, cell);
  cells[1].context_length = 513;
  cells[2].depth = 0.5;
  cells[3].planted = 5;
  cells[4].asked = 3;
  cells[5].seed = 10;
  std::set<std::vector<Token>> hays;
  std::set<std::string> facts;
  for (const NeedleCell& other : cells) {
    for (std::int64_t trial = 0; trial < 2; ++trial) {
      const NeedleTrial drawn = draw(other, trial);
      hays.emplace(drawn.tokens.begin() + 1, drawn.tokens.begin() + 60);
      facts.insert(drawn.needles[0].key + drawn.needles[0].value);
    }
  }
  EXPECT_EQ(hays.size(), 12U);
  EXPECT_EQ(facts.size(), 12U);
}

TEST(NeedleTrial, AsksDistinctNeedlesOfThosePlanted) {
  for (std::int64_t number = 0; number < 20; ++number) {
    const NeedleTrial trial = draw({.context_length = 1024, .depth = {}, .planted = 16, .asked = 8, .seed = 1}, number);
    EXPECT_EQ(trial.tokens.size(), 1024U);
    ASSERT_EQ(trial.needles.size(), 16U);
    ASSERT_EQ(trial.asked.size(), 8U);
    std::set<std::string> keys;
    std::set<std::int64_t> asked;
    for (const PlantedNeedle& needle : trial.needles) {
      keys.insert(needle.key);
    }
    for (const AskedNeedle& question : trial.asked) {
      asked.insert(question.needle);
    }
    EXPECT_EQ(keys.size(), 16U);
    EXPECT_EQ(asked.size(), 8U);
    EXPECT_EQ(trial.prompt_length, trial.asked[0].answer_begin);
    expect_answers_stand(trial);
    const auto is_key = [](Token token) { return small_world().words.is_key(token); };
    EXPECT_EQ(std::ranges::count_if(trial.tokens, is_key), 16 + 8) << "the haystack holds none";
  }
}

TEST(NeedleTrial, WithADepthTheFirstAskedStandsThere) {
  for (const double depth : {0.0, 0.3, 1.0}) {
    for (std::int64_t number = 0; number < 20; ++number) {
      const NeedleTrial trial =
          draw({.context_length = 512, .depth = depth, .planted = 8, .asked = 4, .seed = 1}, number);
      const double hay = 512 - 8 * 8 - 4 * 10;
      const auto& first = trial.needles[static_cast<std::size_t>(trial.asked[0].needle)];
      EXPECT_NEAR(first.depth, depth, 0.5 / hay + 1e-12);
      std::set<double> depths;
      for (const PlantedNeedle& needle : trial.needles) {
        depths.insert(needle.depth);
      }
      EXPECT_EQ(depths.size(), 8U) << "distinct places";
      expect_answers_stand(trial);
    }
  }
}

TEST(NeedleTrial, WithoutADepthNeedlesStandAnywhere) {
  double sum = 0;
  constexpr std::int64_t trials = 500;
  for (std::int64_t number = 0; number < trials; ++number) {
    sum += draw({.context_length = 512}, number).needles[0].depth;
  }
  EXPECT_NEAR(sum / trials, 0.5, 5 * 0.2887 / std::sqrt(trials));
}

TEST(NeedleTrial, UsesTheHeldOutPartOnly) {
  const auto& words = small_world().words;
  const auto held_out = small_world().word_hay.tokens(HaystackPart::evaluation);
  const NeedleTrial trial = draw({.context_length = 200, .depth = 1.0, .seed = 4});
  const auto hay = std::span(trial.tokens).subspan(1, 200 - 18);
  EXPECT_FALSE(std::ranges::search(held_out, hay).empty()) << words.decode(hay);
}

TEST(NeedleTrial, SaysWhatWouldFit) {
  const auto size = static_cast<std::int64_t>(small_world().word_hay.tokens(HaystackPart::evaluation).size());
  expect_error(ErrorKind::bad_input, [] { (void)draw({.context_length = 17}); }, {"context length 17", "at most 0"});
  // Nine needles and one question: 9 * 8 + 10 = 82 tokens, 8 more for distinct places.
  expect_error(ErrorKind::bad_input, [] { (void)draw({.context_length = 89, .planted = 9}); }, {"at most 8 needles"});
  EXPECT_NO_THROW((void)draw({.context_length = 90, .planted = 9}));
  expect_error(ErrorKind::bad_input, [&] { (void)draw({.context_length = size + 19}); },
               {std::to_string(size + 1), "up to " + std::to_string(size + 18)});
  EXPECT_NO_THROW((void)draw({.context_length = size + 18}));
  expect_error(ErrorKind::bad_input, [] { (void)draw({.context_length = 100'000, .planted = 129}); }, {"129", "128"});
  expect_error(ErrorKind::bad_input, [] { (void)draw({.context_length = 500, .planted = 2, .asked = 3}); }, {"3", "2"});
  expect_error(ErrorKind::bad_input, [] { (void)draw({.context_length = 500, .depth = 1.01}); }, {"1.01"});
}

}  // namespace
}  // namespace ringworld::test
