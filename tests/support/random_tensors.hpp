#pragma once
/// @file  Owning tensors with guard elements on both sides, and seeded contents for them.

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <type_traits>
#include <variant>
#include <vector>

#include "core/dtype.hpp"
#include "core/random.hpp"
#include "core/tensor_view.hpp"

namespace ringworld::test {

/// An owning dense tensor. Its guard elements show a kernel that writes outside.
template <class T, std::size_t N>
class Tensor {
 public:
  explicit Tensor(const std::array<std::int64_t, N>& shape, T fill = T{})
      : shape_(shape), elements_(static_cast<std::size_t>(element_count(shape) + 2 * guard_count), guard()) {
    std::ranges::fill(values(), fill);
  }

  [[nodiscard]] TensorView<T, N> view() { return {elements_.data() + guard_count, shape_}; }
  [[nodiscard]] TensorView<const T, N> view() const { return {elements_.data() + guard_count, shape_}; }

  /// All elements, in row-major order.
  [[nodiscard]] std::span<T> values() { return std::span(elements_).subspan(guard_count, inner_count()); }
  [[nodiscard]] std::span<const T> values() const { return std::span(elements_).subspan(guard_count, inner_count()); }

  [[nodiscard]] bool guards_are_intact() const {
    const auto is_guard = [](const T& element) { return element == guard(); };
    return std::all_of(elements_.begin(), elements_.begin() + guard_count, is_guard) &&
           std::all_of(elements_.end() - guard_count, elements_.end(), is_guard);
  }

  /// What guard elements hold: no kernel computes it, and both types represent it.
  static T guard() { return static_cast<T>(-12320768.0F); }

 private:
  static constexpr std::int64_t guard_count = 64;

  [[nodiscard]] std::size_t inner_count() const { return static_cast<std::size_t>(element_count(shape_)); }

  std::array<std::int64_t, N> shape_;
  std::vector<T> elements_;
};

/// Calls `function(flat index, element)` for every element of a view, in row-major order.
template <class T, class Function>
void for_each_element(const TensorView<T, 4>& tensor, Function&& function) {
  std::uint64_t index = 0;
  for (std::int64_t a = 0; a < tensor.shape[0]; ++a) {
    for (std::int64_t b = 0; b < tensor.shape[1]; ++b) {
      for (std::int64_t c = 0; c < tensor.shape[2]; ++c) {
        for (std::int64_t d = 0; d < tensor.shape[3]; ++d) {
          function(index++, tensor(a, b, c, d));
        }
      }
    }
  }
}

/// Standard normal numbers times `factor`, a function of (seed, stream, row-major index) whatever the strides.
template <class T>
void fill_normal(const TensorView<T, 4>& tensor, std::uint64_t seed, std::uint64_t stream, float factor = 1.0F) {
  const CounterRng rng(seed, stream);
  for_each_element(tensor, [&](std::uint64_t index, T& element) {
    element = static_cast<T>(factor * rng.normals(index / 4)[index % 4]);
  });
}

/// Whole numbers in [-bound, bound].
template <class T>
void fill_integers(const TensorView<T, 4>& tensor, std::uint64_t seed, std::uint64_t stream, std::int64_t bound) {
  const CounterRng rng(seed, stream);
  for_each_element(tensor, [&](std::uint64_t index, T& element) {
    const auto drawn = static_cast<std::int64_t>(rng.integer(index, static_cast<std::uint64_t>(2 * bound + 1)));
    element = static_cast<T>(static_cast<float>(drawn - bound));
  });
}

/// A (B, T, H, D) tensor whose element type is chosen at run time.
class ActivationTensor {
 public:
  ActivationTensor(DType dtype, const std::array<std::int64_t, 4>& shape)
      : tensor_(with_type(dtype, [&](auto element) { return Any(Tensor<decltype(element), 4>(shape)); })) {}

  [[nodiscard]] ActivationView view() {
    return std::visit([](auto& tensor) { return ActivationView(tensor.view()); }, tensor_);
  }
  [[nodiscard]] bool guards_are_intact() const {
    return std::visit([](const auto& tensor) { return tensor.guards_are_intact(); }, tensor_);
  }

 private:
  using Any = std::variant<Tensor<float, 4>, Tensor<bf16, 4>>;
  Any tensor_;
};

inline void fill_normal(const ActivationView& tensor, std::uint64_t seed, std::uint64_t stream, float factor = 1.0F) {
  with_type(tensor.dtype, [&](auto element) { fill_normal(tensor.as<decltype(element)>(), seed, stream, factor); });
}

inline void fill_integers(const ActivationView& tensor, std::uint64_t seed, std::uint64_t stream, std::int64_t bound) {
  with_type(tensor.dtype, [&](auto element) { fill_integers(tensor.as<decltype(element)>(), seed, stream, bound); });
}

/// The elements in row-major order, exactly.
template <class T, std::size_t N>
[[nodiscard]] std::vector<double> to_doubles(const TensorView<T, N>& tensor) {
  std::array<std::int64_t, 4> shape{1, 1, 1, 1};
  std::array<std::int64_t, 4> strides{};
  std::ranges::copy(tensor.shape, shape.begin() + (4 - N));
  std::ranges::copy(tensor.strides, strides.begin() + (4 - N));
  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(tensor.size()));
  for_each_element(TensorView<const T, 4>(tensor.data, shape, strides), [&](std::uint64_t /*index*/, const T& element) {
    values.push_back(static_cast<double>(static_cast<float>(element)));
  });
  return values;
}

[[nodiscard]] inline std::vector<double> to_doubles(const ConstActivationView& tensor) {
  return with_type(tensor.dtype, [&](auto element) { return to_doubles(tensor.as<decltype(element)>()); });
}

}  // namespace ringworld::test
