#pragma once
/// @file  Vectors of D elements, four neighbours at a time: in one access where alignment allows it.

#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

#include "kernels/attention/cuda/views.cuh"

namespace ringworld::cuda {

template <class Element>
struct Quads {
  using Value = std::remove_const_t<Element>;
  struct alignas(4 * sizeof(Value)) Packed {
    Value values[4];
  };

  HeadVectors<Element> vectors;
  bool is_aligned;  ///< every vector begins on a multiple of four elements

  /// @param d  a multiple of 4
  __device__ float4 load(int b, int t, int h, int d) const {
    const Element* from = vectors.at(b, t, h) + d;
    Packed packed;
    if (is_aligned) {
      packed = *reinterpret_cast<const Packed*>(from);
    } else {
      for (int i = 0; i < 4; ++i) {
        packed.values[i] = from[i];
      }
    }
    return {widen(packed.values[0]), widen(packed.values[1]), widen(packed.values[2]), widen(packed.values[3])};
  }

  __device__ void store(int b, int t, int h, int d, const float4& quad) const {
    Element* to = vectors.at(b, t, h) + d;
    const Packed packed{{narrow<Value>(quad.x), narrow<Value>(quad.y), narrow<Value>(quad.z), narrow<Value>(quad.w)}};
    if (is_aligned) {
      *reinterpret_cast<Packed*>(to) = packed;
    } else {
      for (int i = 0; i < 4; ++i) {
        to[i] = packed.values[i];
      }
    }
  }
};

template <class Element>
[[nodiscard]] Quads<Element> quads_of(const HeadVectors<Element>& vectors) {
  const bool is_aligned = reinterpret_cast<std::uintptr_t>(vectors.data) % (4 * sizeof(Element)) == 0 &&
                          vectors.batch_stride % 4 == 0 && vectors.token_stride % 4 == 0 &&
                          vectors.head_stride % 4 == 0;
  return {vectors, is_aligned};
}

}  // namespace ringworld::cuda
