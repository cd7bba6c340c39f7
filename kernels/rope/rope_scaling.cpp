#include "kernels/rope/rope_scaling.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "core/error.hpp"

namespace ringworld {

namespace {

void scale_as_llama3(const RopeScaling& scaling, std::span<double> frequencies) {
  for (double& frequency : frequencies) {
    const double turns = scaling.original_context * frequency / (2 * std::numbers::pi);
    const double share =
        (turns - scaling.low_frequency_factor) / (scaling.high_frequency_factor - scaling.low_frequency_factor);
    const double kept = std::clamp(share, 0.0, 1.0);
    frequency *= (1 - kept) / scaling.factor + kept;
  }
}

/// The index i, not rounded, of the pair that turns so many times in the original context.
double pair_of_turns(const RopeScaling& scaling, double theta, double head_size, double turns) {
  return head_size * std::log(scaling.original_context / (turns * 2 * std::numbers::pi)) / (2 * std::log(theta));
}

void scale_as_yarn(const RopeScaling& scaling, double theta, std::span<double> frequencies) {
  const auto head_size = static_cast<double>(2 * frequencies.size());
  const double first = std::max(std::floor(pair_of_turns(scaling, theta, head_size, scaling.beta_fast)), 0.0);
  double last = std::min(std::ceil(pair_of_turns(scaling, theta, head_size, scaling.beta_slow)), head_size - 1);
  if (first == last) {
    last += 0.001;  // as the source does
  }
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - first) / (last - first), 0.0, 1.0);
    frequencies[i] *= ramp / scaling.factor + 1 - ramp;
  }
}

}  // namespace

double yarn_attention_factor(double factor) { return factor > 1 ? 0.1 * std::log(factor) + 1 : 1; }

void validate(const RopeScaling& scaling, std::int64_t head_size) {
  const auto require_positive = [](double value, std::string_view name) {
    require_input(value > 0 && std::isfinite(value),
                  fmt::format("rope_scaling: {} is {}; give a positive number", name, value));
  };
  const auto require_context = [](double tokens) {
    constexpr double most = 1LL << 53;  // beyond it not every integer is a double
    require_input(tokens >= 1 && tokens <= most && tokens == std::floor(tokens),
                  fmt::format("rope_scaling: original_max_position_embeddings is {}; give a number of tokens", tokens));
  };
  if (scaling.kind == RopeScalingKind::none) {
    return;
  }
  if (scaling.kind == RopeScalingKind::per_pair) {
    require_input(std::ssize(scaling.pair_factors) == head_size / 2,
                  fmt::format("rope_scaling: there are {} factors of pairs, and heads of {} elements have {} pairs",
                              scaling.pair_factors.size(), head_size, head_size / 2));
    std::ranges::for_each(scaling.pair_factors, [&](double factor) { require_positive(factor, "a pair's factor"); });
    return;
  }
  require_positive(scaling.factor, "factor");
  if (scaling.kind == RopeScalingKind::dynamic) {
    require_context(scaling.original_context);
    require_input(head_size > 2, "rope_scaling: dynamic needs heads of more than 2 elements");
    require_input(scaling.factor >= 1, fmt::format("rope_scaling: factor is {}; give 1 or more", scaling.factor));
  }
  if (scaling.kind == RopeScalingKind::llama3) {
    require_context(scaling.original_context);
    require_positive(scaling.low_frequency_factor, "low_freq_factor");
    require_input(scaling.high_frequency_factor > scaling.low_frequency_factor,
                  fmt::format("rope_scaling: high_freq_factor is {}; give more than low_freq_factor, {}",
                              scaling.high_frequency_factor, scaling.low_frequency_factor));
  }
  if (scaling.kind == RopeScalingKind::yarn) {
    require_context(scaling.original_context);
    require_positive(scaling.beta_fast, "beta_fast");
    require_positive(scaling.beta_slow, "beta_slow");
    require_positive(scaling.attention_factor, "attention_factor");
  }
}

double theta_of_length(const RopeScaling& scaling, double theta, std::int64_t head_size, std::int64_t tokens) {
  if (scaling.kind != RopeScalingKind::dynamic) {
    return theta;
  }
  const double ratio = std::max(static_cast<double>(tokens) / scaling.original_context, 1.0);
  const auto size = static_cast<double>(head_size);
  return theta * std::pow(scaling.factor * ratio - (scaling.factor - 1), size / (size - 2));
}

void scale_frequencies(const RopeScaling& scaling, double theta, std::span<double> frequencies) {
  switch (scaling.kind) {
    case RopeScalingKind::none:
    case RopeScalingKind::dynamic:
      return;
    case RopeScalingKind::per_pair:
      std::ranges::transform(frequencies, scaling.pair_factors, frequencies.begin(), std::divides<>());
      return;
    case RopeScalingKind::linear:
      std::ranges::for_each(frequencies, [&](double& frequency) { frequency /= scaling.factor; });
      return;
    case RopeScalingKind::llama3:
      return scale_as_llama3(scaling, frequencies);
    case RopeScalingKind::yarn:
      return scale_as_yarn(scaling, theta, frequencies);
  }
}

}  // namespace ringworld
