#include "generation/sampler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.hpp"
#include "data/draw_stream.hpp"

namespace ringworld {
namespace {

/// The tokens of the range whose logit is a number, in rising order.
std::vector<Token> numbers_of(std::span<const float> logits, TokenRange range) {
  std::vector<Token> tokens;
  for (Token token = range.begin; token < range.end; ++token) {
    if (!std::isnan(logits[static_cast<std::size_t>(token)])) {
      tokens.push_back(token);
    }
  }
  return tokens;
}

}  // namespace

void validate(const Sampling& sampling) {
  require_input(sampling.temperature >= 0 && std::isfinite(sampling.temperature),
                fmt::format("temperature {}: 0, which takes the likeliest token, or more", sampling.temperature));
  require_input(sampling.top_k >= 0, fmt::format("top-k {}: 0, which allows all tokens, or more", sampling.top_k));
}

Token choose_token(const Sampling& sampling, std::span<const float> logits, TokenRange range, const DrawPlace& place) {
  require(range.begin >= 0 && range.begin < range.end && range.end <= std::ssize(logits),
          "sampler: a range outside of the logits");
  std::vector<Token> tokens = numbers_of(logits, range);
  if (tokens.empty()) {
    return range.begin;
  }
  const auto logit = [&](Token token) { return logits[static_cast<std::size_t>(token)]; };
  const Token likeliest = *std::ranges::max_element(tokens, {}, logit);  // the first of equals
  if (sampling.temperature == 0 || !std::isfinite(logit(likeliest))) {
    return likeliest;
  }
  if (sampling.top_k > 0 && sampling.top_k < std::ssize(tokens)) {
    std::ranges::nth_element(tokens, tokens.begin() + sampling.top_k,
                             [&](Token a, Token b) { return logit(a) > logit(b) || (logit(a) == logit(b) && a < b); });
    tokens.resize(static_cast<std::size_t>(sampling.top_k));
    std::ranges::sort(tokens);
  }
  std::vector<double> sums;
  double sum = 0;
  for (const Token token : tokens) {
    sum += std::exp((static_cast<double>(logit(token)) - static_cast<double>(logit(likeliest))) / sampling.temperature);
    sums.push_back(sum);
  }
  DrawStream draws(sampling.seed, DrawPurpose::sampled_token, {place.row, place.step});
  // The token on whose share of the sum the draw falls. A draw is below 1, but its product with the sum may round up.
  const auto found = std::ranges::upper_bound(sums, draws.unit() * sum);
  return found == sums.end() ? likeliest : tokens[static_cast<std::size_t>(found - sums.begin())];
}

void guide(std::span<float> conditional, std::span<const float> unconditional, double scale) {
  require(conditional.size() == unconditional.size(), "guidance: logits of two vocabularies");
  if (scale == 1) {
    return;
  }
  const auto factor = static_cast<float>(scale);
  for (std::size_t i = 0; i < conditional.size(); ++i) {
    conditional[i] = unconditional[i] + factor * (conditional[i] - unconditional[i]);
  }
}

}  // namespace ringworld
