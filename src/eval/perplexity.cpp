#include "eval/perplexity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "core/error.hpp"
#include "data/draw_stream.hpp"

namespace ringworld {
namespace {

/// Tokens of one window, with the token that opens a document in front where the vocabulary has one.
std::vector<Token> window_tokens(const PerplexityPlan& plan, const Tokenizer& tokenizer, std::span<const Token> text,
                                 std::int64_t window) {
  DrawStream draws(plan.seed, DrawPurpose::perplexity_window,
                   {static_cast<std::uint64_t>(plan.context_length), static_cast<std::uint64_t>(window)});
  std::vector<Token> tokens;
  if (const auto bos = tokenizer.bos()) {
    tokens.push_back(*bos);
  }
  const std::span<const Token> drawn = draw_window(text, plan.context_length - std::ssize(tokens), draws);
  tokens.insert(tokens.end(), drawn.begin(), drawn.end());
  return tokens;
}

}  // namespace

std::vector<PositionRange> doubling_ranges(std::int64_t context_length) {
  std::vector<PositionRange> ranges;
  for (std::int64_t begin = 1; begin < context_length; begin *= 2) {
    ranges.push_back({.begin = begin, .end = std::min(2 * begin, context_length)});
  }
  return ranges;
}

std::vector<PositionRange> measure_perplexity(const PerplexityPlan& plan, const Tokenizer& tokenizer,
                                              const Haystack& haystack, const NextTokenPredictor& model) {
  require_input(plan.context_length >= 2, fmt::format("context length {}: at least 2", plan.context_length));
  require_input(plan.windows >= 1 && plan.windows_per_pass >= 1,
                fmt::format("{} windows of text, {} a pass: at least 1", plan.windows, plan.windows_per_pass));
  const std::span<const Token> text = haystack.tokens(HaystackPart::evaluation);
  require_input(plan.context_length <= std::ssize(text),
                fmt::format("context length {} is longer than the evaluation part of '{}', {} tokens",
                            plan.context_length, haystack.name(), text.size()));
  std::vector<PositionRange> ranges = doubling_ranges(plan.context_length);
  for (std::int64_t first = 0; first < plan.windows; first += plan.windows_per_pass) {
    const std::int64_t rows = std::min(plan.windows_per_pass, plan.windows - first);
    std::vector<Token> tokens;
    std::vector<TokenPlace> places;
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::vector<Token> window = window_tokens(plan, tokenizer, text, first + row);
      tokens.insert(tokens.end(), window.begin(), window.end());
      for (std::int64_t position = 1; position < plan.context_length; ++position) {
        places.push_back({.row = row, .position = position});
      }
    }
    const std::vector<NextToken> predictions = model(tokens, places);
    for (std::size_t index = 0; index < places.size(); ++index) {
      // Position p lies in range floor(log2 p).
      const auto range = std::bit_width(static_cast<std::uint64_t>(places[index].position)) - 1;
      ranges[static_cast<std::size_t>(range)].nll_sum += predictions[index].nll;
      ++ranges[static_cast<std::size_t>(range)].tokens;
    }
  }
  return ranges;
}

}  // namespace ringworld
