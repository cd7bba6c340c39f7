#include "generation/sampler.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr TokenRange all{.begin = 0, .end = 8};
constexpr std::array<float, 8> logits{0.5F, 2.0F, -1.0F, 2.0F, 9.0F, 1.0F, 0.0F, 1.5F};

/// How often each token is drawn for places (row, 0), (row, 1), ...
std::map<Token, int> counts(const Sampling& sampling, TokenRange range, int draws, std::uint64_t row = 0) {
  std::map<Token, int> found;
  for (int step = 0; step < draws; ++step) {
    ++found[choose_token(sampling, logits, range, {.row = row, .step = static_cast<std::uint64_t>(step)})];
  }
  return found;
}

TEST(Sampler, TemperatureZeroTakesTheLikeliestTokenOfTheRange) {
  EXPECT_EQ(choose_token({}, logits, all, {}), 4);
  EXPECT_EQ(choose_token({}, logits, {.begin = 0, .end = 4}, {}), 1) << "the first of equals";
  EXPECT_EQ(choose_token({}, logits, {.begin = 5, .end = 8}, {}), 7);
}

TEST(Sampler, TokensAreDrawnWithTheirSoftmaxProbabilities) {
  for (const double temperature : {1.0, 0.5, 3.0}) {
    constexpr int draws = 40000;
    const TokenRange range{.begin = 0, .end = 4};
    double sum = 0;
    for (Token token = range.begin; token < range.end; ++token) {
      sum += std::exp(static_cast<double>(logits[static_cast<std::size_t>(token)]) / temperature);
    }
    std::map<Token, int> found = counts({.temperature = temperature, .seed = 3}, range, draws);
    double chi_square = 0;
    for (Token token = range.begin; token < range.end; ++token) {
      const double expected =
          draws * std::exp(static_cast<double>(logits[static_cast<std::size_t>(token)]) / temperature) / sum;
      chi_square += (found[token] - expected) * (found[token] - expected) / expected;
    }
    EXPECT_LT(chi_square, 16.3) << "three degrees of freedom exceed it once in a thousand, temperature " << temperature;
    EXPECT_EQ(found.size(), 4U) << "nothing outside of the range";
  }
}

TEST(Sampler, OnlyTheKLikeliestAreDrawn) {
  std::map<Token, int> found = counts({.temperature = 2, .top_k = 3, .seed = 1}, all, 2000);
  EXPECT_EQ(found.size(), 3U);
  EXPECT_TRUE(found[4] > 0 && found[1] > 0 && found[3] > 0);
  // Tokens 1 and 3 are equal: the first goes first.
  found = counts({.temperature = 2, .top_k = 2, .seed = 1}, all, 2000);
  EXPECT_EQ(found.size(), 2U);
  EXPECT_TRUE(found[4] > 0 && found[1] > 0);
  found = counts({.temperature = 2, .top_k = 1, .seed = 1}, all, 50);
  EXPECT_EQ(found.size(), 1U);
  EXPECT_EQ(found[4], 50);
  // More than there are is all of them.
  EXPECT_EQ(counts({.temperature = 9, .top_k = 100, .seed = 1}, all, 4000),
            counts({.temperature = 9, .seed = 1}, all, 4000));
}

TEST(Sampler, ADrawIsNamedBySeedRowAndStep) {
  const Sampling sampling{.temperature = 4, .seed = 7};
  EXPECT_EQ(counts(sampling, all, 100), counts(sampling, all, 100));
  const auto sequence = [](const Sampling& of, std::uint64_t row, std::uint64_t first) {
    std::vector<Token> tokens;
    for (std::uint64_t step = first; step < first + 40; ++step) {
      tokens.push_back(choose_token(of, logits, all, {.row = row, .step = step}));
    }
    return tokens;
  };
  const std::vector<Token> tokens = sequence(sampling, 2, 0);
  EXPECT_EQ(sequence(sampling, 2, 0), tokens);
  EXPECT_NE(sequence(sampling, 3, 0), tokens);
  EXPECT_NE(sequence(sampling, 2, 1), tokens);
  EXPECT_NE(sequence({.temperature = 4, .seed = 8}, 2, 0), tokens);
}

TEST(Sampler, PassesOverWhatIsNoNumber) {
  const std::array<float, 4> some{not_a_number, 1.0F, not_a_number, 0.5F};
  EXPECT_EQ(choose_token({}, some, {.begin = 0, .end = 4}, {}), 1);
  for (std::uint64_t step = 0; step < 50; ++step) {
    EXPECT_EQ(choose_token({.temperature = 5}, some, {.begin = 0, .end = 4}, {.row = 0, .step = step}) % 2, 1);
  }
  const std::array<float, 2> none{not_a_number, not_a_number};
  EXPECT_EQ(choose_token({.temperature = 5}, none, {.begin = 0, .end = 2}, {}), 0);
}

TEST(Sampler, GuidanceLeadsAwayFromTheUnconditionalLogits) {
  const std::array<float, 3> unconditional{1.0F, -2.0F, 0.5F};
  std::array<float, 3> guided{2.0F, -2.0F, -0.5F};
  guide(guided, unconditional, 3);
  EXPECT_EQ(guided, (std::array{4.0F, -2.0F, -2.5F}));
  std::array<float, 3> same{2.0F, -2.0F, -0.5F};
  guide(same, unconditional, 1);
  EXPECT_EQ(same, (std::array{2.0F, -2.0F, -0.5F}));
  guide(same, unconditional, 0);
  EXPECT_EQ(same, unconditional);
}

TEST(Sampler, RefusesNumbersThatMakeNoSense) {
  expect_error(ErrorKind::bad_input, [] { validate({.temperature = -0.5}); }, {"temperature -0.5"});
  expect_error(ErrorKind::bad_input, [] { validate({.temperature = static_cast<double>(not_a_number)}); },
               {"temperature"});
  expect_error(ErrorKind::bad_input, [] { validate({.top_k = -1}); }, {"top-k -1"});
  expect_error(ErrorKind::internal, [] { (void)choose_token({}, logits, {.begin = 3, .end = 3}, {}); }, {"range"});
  expect_error(ErrorKind::internal, [] { (void)choose_token({}, logits, {.begin = 3, .end = 9}, {}); }, {"range"});
}

}  // namespace
}  // namespace ringworld::test
