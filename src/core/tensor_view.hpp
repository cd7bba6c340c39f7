#pragma once
/// @file  Non-owning views of dense tensors with element strides; the last index is the fastest.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "core/dtype.hpp"

namespace ringworld {

/// Row-major strides, in elements, of a dense tensor of this shape.
template <std::size_t N>
[[nodiscard]] constexpr std::array<std::int64_t, N> row_major_strides(const std::array<std::int64_t, N>& shape) {
  std::array<std::int64_t, N> strides{};
  std::int64_t stride = 1;
  for (std::size_t axis = N; axis-- > 0;) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/// Elements of a dense tensor of this shape.
template <std::size_t N>
[[nodiscard]] constexpr std::int64_t element_count(const std::array<std::int64_t, N>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    count *= extent;
  }
  return count;
}

/// A view whose element type is known at compile time.
template <class T, std::size_t N>
struct TensorView {
  T* data = nullptr;
  std::array<std::int64_t, N> shape{};
  std::array<std::int64_t, N> strides{};

  TensorView() = default;
  TensorView(T* data_in, const std::array<std::int64_t, N>& shape_in)
      : data(data_in), shape(shape_in), strides(row_major_strides(shape_in)) {}
  TensorView(T* data_in, const std::array<std::int64_t, N>& shape_in, const std::array<std::int64_t, N>& strides_in)
      : data(data_in), shape(shape_in), strides(strides_in) {}

  /// A view of mutable elements reads as a view of constant ones.
  template <class Mutable>
    requires(std::is_const_v<T> && std::is_same_v<const Mutable, T>)
  // NOLINTNEXTLINE(google-explicit-constructor)
  TensorView(const TensorView<Mutable, N>& other) : data(other.data), shape(other.shape), strides(other.strides) {}

  template <class... Index>
  [[nodiscard]] T& operator()(Index... index) const {
    static_assert(sizeof...(Index) == N);
    const std::array<std::int64_t, N> position{static_cast<std::int64_t>(index)...};
    std::int64_t offset = 0;
    for (std::size_t axis = 0; axis < N; ++axis) {
      offset += position[axis] * strides[axis];
    }
    return data[offset];
  }

  [[nodiscard]] std::int64_t size() const { return element_count(shape); }
  [[nodiscard]] bool is_null() const { return data == nullptr; }
  /// All elements of a dense view.
  [[nodiscard]] std::span<T> elements() const { return {data, static_cast<std::size_t>(size())}; }
  [[nodiscard]] bool is_dense() const { return strides == row_major_strides(shape); }

  /// The part with `begin <= index < begin + count` along `axis`.
  [[nodiscard]] TensorView slice(std::size_t axis, std::int64_t begin, std::int64_t count) const {
    TensorView part = *this;
    part.data += begin * strides[axis];
    part.shape[axis] = count;
    return part;
  }
};

/// A (batch, tokens, heads, head_size) view whose element type is known at run time only.
/// The last index must be dense (stride 1).
template <bool IsConst>
struct BasicActivationView {
  using Pointer = std::conditional_t<IsConst, const void*, void*>;
  using Byte = std::conditional_t<IsConst, const std::byte, std::byte>;

  Pointer data = nullptr;
  DType dtype = DType::float32;
  std::array<std::int64_t, 4> shape{};
  std::array<std::int64_t, 4> strides{};

  BasicActivationView() = default;
  BasicActivationView(Pointer data_in, DType dtype_in, const std::array<std::int64_t, 4>& shape_in)
      : data(data_in), dtype(dtype_in), shape(shape_in), strides(row_major_strides(shape_in)) {}
  BasicActivationView(Pointer data_in, DType dtype_in, const std::array<std::int64_t, 4>& shape_in,
                      const std::array<std::int64_t, 4>& strides_in)
      : data(data_in), dtype(dtype_in), shape(shape_in), strides(strides_in) {}
  template <class T>
    requires(IsConst || !std::is_const_v<T>)
  // NOLINTNEXTLINE(google-explicit-constructor)
  BasicActivationView(const TensorView<T, 4>& view)
      : data(view.data), dtype(dtype_of<std::remove_const_t<T>>), shape(view.shape), strides(view.strides) {}
  template <bool OtherIsConst>
    requires(IsConst && !OtherIsConst)
  // NOLINTNEXTLINE(google-explicit-constructor)
  BasicActivationView(const BasicActivationView<OtherIsConst>& other)
      : data(other.data), dtype(other.dtype), shape(other.shape), strides(other.strides) {}

  [[nodiscard]] std::int64_t batch() const { return shape[0]; }
  [[nodiscard]] std::int64_t tokens() const { return shape[1]; }
  [[nodiscard]] std::int64_t heads() const { return shape[2]; }
  [[nodiscard]] std::int64_t head_size() const { return shape[3]; }
  [[nodiscard]] std::int64_t size() const { return element_count(shape); }
  [[nodiscard]] bool is_null() const { return data == nullptr; }

  /// The tokens `begin <= t < begin + count`.
  [[nodiscard]] BasicActivationView token_range(std::int64_t begin, std::int64_t count) const {
    BasicActivationView part = *this;
    part.data = static_cast<Byte*>(data) + begin * strides[1] * size_of(dtype);
    part.shape[1] = count;
    return part;
  }

  /// The heads `begin <= h < begin + count`.
  [[nodiscard]] BasicActivationView head_range(std::int64_t begin, std::int64_t count) const {
    BasicActivationView part = *this;
    part.data = static_cast<Byte*>(data) + begin * strides[2] * size_of(dtype);
    part.shape[2] = count;
    return part;
  }

  /// The typed view; unchecked, `T` must be the type of `dtype`.
  template <class T>
  [[nodiscard]] auto as() const {
    using Element = std::conditional_t<IsConst, const T, T>;
    return TensorView<Element, 4>(static_cast<Element*>(data), shape, strides);
  }
};

using ActivationView = BasicActivationView<false>;
using ConstActivationView = BasicActivationView<true>;

}  // namespace ringworld
