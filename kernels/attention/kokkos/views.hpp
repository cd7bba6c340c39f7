#pragma once
/// @file  The operands of the contract as Kokkos views, without copying them.

#include <Kokkos_Core.hpp>
#include <array>
#include <cstdint>

#include "core/tensor_view.hpp"
#include "device/kokkos/launch_scope.hpp"
#include "kernels/elementwise/kokkos/elements.hpp"

namespace ringworld::kokkos {

/// `Element`, followed by `Rank` stars: how Kokkos spells a run-time shape.
template <class Element, std::size_t Rank>
struct PointerOfRank {
  using type = typename PointerOfRank<Element, Rank - 1>::type*;
};
template <class Element>
struct PointerOfRank<Element, 0> {
  using type = Element;
};

/// A strided view of memory that someone else owns.
template <class Element, std::size_t Rank>
using StridedView = Kokkos::View<typename PointerOfRank<Element, Rank>::type, Kokkos::LayoutStride,
                                 typename ExecutionSpace::memory_space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;

template <std::size_t Rank>
[[nodiscard]] Kokkos::LayoutStride layout_of(const std::array<std::int64_t, Rank>& shape,
                                             const std::array<std::int64_t, Rank>& strides) {
  Kokkos::LayoutStride layout;
  for (std::size_t axis = 0; axis < Rank; ++axis) {
    layout.dimension[axis] = static_cast<std::size_t>(shape[axis]);
    layout.stride[axis] = static_cast<std::size_t>(strides[axis]);
  }
  return layout;
}

template <class Element, std::size_t Rank>
[[nodiscard]] StridedView<Element, Rank> view_of(const TensorView<Element, Rank>& tensor) {
  return StridedView<Element, Rank>(tensor.data, layout_of(tensor.shape, tensor.strides));
}

/// Activations (B, T, H, D) read as float, whatever their type.
///
/// The type is asked for at run time: kernels read each element once into a tile of floats, where the branch is lost
/// in the arithmetic, and one instantiation serves every combination of types of q, k, v and dout.
class ActivationReader {
 public:
  explicit ActivationReader(const ConstActivationView& tensor) : is_float32_(tensor.dtype == DType::float32) {
    const Kokkos::LayoutStride layout = layout_of(tensor.shape, tensor.strides);
    if (is_float32_) {
      float32_ = StridedView<const float, 4>(static_cast<const float*>(tensor.data), layout);
    } else {
      bfloat16_ = StridedView<const std::uint16_t, 4>(static_cast<const std::uint16_t*>(tensor.data), layout);
    }
  }

  KOKKOS_INLINE_FUNCTION float operator()(std::int64_t b, std::int64_t t, std::int64_t h, std::int64_t d) const {
    return is_float32_ ? float32_(b, t, h, d) : widen(bfloat16_(b, t, h, d));
  }

 private:
  bool is_float32_;
  StridedView<const float, 4> float32_;
  StridedView<const std::uint16_t, 4> bfloat16_;
};

/// Activations (B, T, H, D) written from float, rounded to nearest, ties to even.
class ActivationWriter {
 public:
  explicit ActivationWriter(const ActivationView& tensor) : is_float32_(tensor.dtype == DType::float32) {
    const Kokkos::LayoutStride layout = layout_of(tensor.shape, tensor.strides);
    if (is_float32_) {
      float32_ = StridedView<float, 4>(static_cast<float*>(tensor.data), layout);
    } else {
      bfloat16_ = StridedView<std::uint16_t, 4>(static_cast<std::uint16_t*>(tensor.data), layout);
    }
  }

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t b, std::int64_t t, std::int64_t h, std::int64_t d,
                                         float value) const {
    if (is_float32_) {
      float32_(b, t, h, d) = value;
    } else {
      bfloat16_(b, t, h, d) = narrow(value);
    }
  }

 private:
  bool is_float32_;
  StridedView<float, 4> float32_;
  StridedView<std::uint16_t, 4> bfloat16_;
};

/// The running softmax, see AttentionState.
struct StateViews {
  StridedView<float, 3> maximum;  ///< (B, H, Tq)
  StridedView<float, 3> sum;      ///< (B, H, Tq)
  StridedView<float, 4> output;   ///< (B, H, Tq, D)
};

}  // namespace ringworld::kokkos
