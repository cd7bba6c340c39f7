#include "eval/perplexity.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <utility>

#include "data/small_world.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

constexpr std::int64_t context_length = 11;

/// An nll that tells which tokens of the context were asked for.
NextTokenPredictor model_of_positions(std::vector<Token>& heard) {
  return [&heard](std::span<const Token> tokens, std::span<const TokenPlace> places) {
    heard.insert(heard.end(), tokens.begin(), tokens.end());
    std::vector<NextToken> said;
    for (const TokenPlace& place : places) {
      said.push_back({.nll = static_cast<double>(place.position)});
    }
    return said;
  };
}

TEST(Perplexity, SumsEveryPositionOnceInItsRange) {
  std::vector<Token> heard;
  const auto ranges = measure_perplexity({.context_length = context_length, .windows = 3, .windows_per_pass = 2},
                                         small_world().words, small_world().word_hay, model_of_positions(heard));
  ASSERT_EQ(ranges.size(), 4U);
  const std::vector<std::array<std::int64_t, 4>> expected{{1, 2, 1, 1}, {2, 4, 2, 5}, {4, 8, 4, 22}, {8, 11, 3, 27}};
  for (std::size_t index = 0; index < expected.size(); ++index) {
    EXPECT_EQ(ranges[index].begin, expected[index][0]);
    EXPECT_EQ(ranges[index].end, expected[index][1]);
    EXPECT_EQ(ranges[index].tokens, 3 * expected[index][2]);
    EXPECT_EQ(ranges[index].nll_sum, 3.0 * static_cast<double>(expected[index][3]));
  }
}

TEST(Perplexity, WindowsAreTheSameHoweverManyShareAPass) {
  std::vector<Token> together;
  std::vector<Token> alone;
  for (auto [windows_per_pass, heard] : {std::pair{std::int64_t{4}, &together}, {std::int64_t{1}, &alone}}) {
    (void)measure_perplexity(
        {.context_length = context_length, .windows = 4, .windows_per_pass = windows_per_pass, .seed = 8},
        small_world().words, small_world().word_hay, model_of_positions(*heard));
  }
  EXPECT_EQ(together, alone);
  EXPECT_EQ(together.size(), 4U * context_length);
  EXPECT_EQ(together.front(), *small_world().words.bos());
  EXPECT_FALSE(std::equal(together.begin(), together.begin() + context_length, together.begin() + context_length));
}

TEST(Perplexity, RefusesAContextLongerThanTheHeldOutText) {
  std::vector<Token> heard;
  expect_error(ErrorKind::bad_input,
               [&] {
                 (void)measure_perplexity({.context_length = 1'000'000, .windows = 1}, small_world().words,
                                          small_world().word_hay, model_of_positions(heard));
               },
               {"1000000", "longer than the evaluation part"});
}

}  // namespace
}  // namespace ringworld::test
