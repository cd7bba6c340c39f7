#pragma once
/// @file  Owning dense float tensors with guards before and behind them.

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "core/random.hpp"
#include "core/tensor_view.hpp"

namespace ringworld::test {

/// Contents are seeded standard normal numbers, a function of (stream, row-major index).
template <std::size_t N>
class GuardedFloats {
 public:
  GuardedFloats(const std::array<std::int64_t, N>& shape, std::uint64_t stream)
      : shape_(shape), values_(static_cast<std::size_t>(2 * guard_elements + element_count(shape)), guard) {
    const CounterRng rng(17, stream);
    for (std::int64_t index = 0; index < element_count(shape); ++index) {
      const auto at = static_cast<std::uint64_t>(index);
      view().data[index] = rng.normals(at / 4)[at % 4];
    }
  }

  [[nodiscard]] TensorView<float, N> view() { return {values_.data() + guard_elements, shape_}; }

  [[nodiscard]] std::vector<double> values() {
    const float* begin = view().data;
    return {begin, begin + element_count(shape_)};
  }

  /// Whether nothing was written outside of the tensor.
  [[nodiscard]] bool guards_are_intact() const {
    const auto is_guard = [](float value) { return value == guard; };
    return std::all_of(values_.begin(), values_.begin() + guard_elements, is_guard) &&
           std::all_of(values_.end() - guard_elements, values_.end(), is_guard);
  }

 private:
  static constexpr float guard = -12345.0F;
  static constexpr std::int64_t guard_elements = 64;

  std::array<std::int64_t, N> shape_;
  std::vector<float> values_;
};

}  // namespace ringworld::test
