#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/error.hpp"
#include "kernels/rope/rope.hpp"

namespace ringworld {
namespace {

/// theta^(-2i / D) for i < D / 2, each step rounded to `Real`: with float, as LWM's precompute_freqs_cis has it.
template <class Real>
std::vector<Real> frequencies(const RopeOptions& options) {
  std::vector<Real> result;
  const double theta = theta_of_length(options.scaling, options.theta, options.head_size, options.context_length);
  for (std::int64_t i = 0; i < options.head_size / 2; ++i) {
    const Real exponent = static_cast<Real>(2 * i) / static_cast<Real>(options.head_size);
    result.push_back(1 / std::pow(static_cast<Real>(theta), exponent));
  }
  if (options.scaling.kind != RopeScalingKind::none) {
    std::vector<double> scaled(result.begin(), result.end());
    scale_frequencies(options.scaling, options.theta, scaled);
    std::ranges::transform(scaled, result.begin(), [](double frequency) { return static_cast<Real>(frequency); });
  }
  return result;
}

template <class Real>
void build(std::span<const std::int64_t> positions, const RopeOptions& options, const TensorView<float, 2>& cosine,
           const TensorView<float, 2>& sine) {
  const std::vector<Real> frequency = frequencies<Real>(options);
  const double growth = options.scaling.kind == RopeScalingKind::yarn ? options.scaling.attention_factor : 1.0;
  for (std::size_t row = 0; row < positions.size(); ++row) {
    for (std::size_t i = 0; i < frequency.size(); ++i) {
      // The product is rounded to Real once, its sine and cosine are then exact to the rounding of the result.
      const Real angle = static_cast<Real>(static_cast<double>(positions[row]) * static_cast<double>(frequency[i]));
      cosine(row, i) = static_cast<float>(growth * std::cos(static_cast<double>(angle)));
      sine(row, i) = static_cast<float>(growth * std::sin(static_cast<double>(angle)));
    }
  }
}

}  // namespace

void build_rope_table(std::span<const std::int64_t> positions, const RopeOptions& options,
                      const TensorView<float, 2>& cosine, const TensorView<float, 2>& sine) {
  require_input(options.head_size > 0 && options.head_size % 2 == 0,
                fmt::format("RoPE turns pairs: head size {} is not a positive even number", options.head_size));
  require_input(options.theta > 0, fmt::format("RoPE theta must be positive, not {}", options.theta));
  const std::array shape{std::ssize(positions), options.head_size / 2};
  require(cosine.shape == shape && sine.shape == shape, "RoPE: the table has not the shape (positions, head_size / 2)");
  if (options.precision == AnglePrecision::float32) {
    build<float>(positions, options, cosine, sine);
  } else {
    build<double>(positions, options, cosine, sine);
  }
}

}  // namespace ringworld
