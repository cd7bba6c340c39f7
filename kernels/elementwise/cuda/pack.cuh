#pragma once
/// @file  Neighbouring elements of a row, moved by accesses of 16 bytes and computed with as floats.
///
///   type    elements of 16 bytes    load<8> is
///   float   4                       two accesses
///   bf16    8                       one
///
/// A pack of one element serves rows that are not aligned to 16 bytes, and the ends of those that are.

#include <bit>
#include <cstdint>

#include "core/bf16.hpp"
#include "device/cuda/ptx/math.cuh"

namespace ringworld::row {

/// What one access moves.
struct alignas(16) Quad {
  std::uint32_t words[4];
};

/// `Width` elements of T as they lie in memory.
template <class T, int Width>
struct Pack;

template <int Width>
struct Pack<float, Width> {
  static_assert(Width % 4 == 0, "whole accesses");
  Quad quads[Width / 4];
};
template <>
struct Pack<float, 1> {
  float element;
};

template <int Width>
struct Pack<bf16, Width> {
  static_assert(Width % 8 == 0, "whole accesses");
  Quad quads[Width / 8];
};
template <>
struct Pack<bf16, 1> {
  std::uint16_t element;
};

/// Width numbers in registers.
template <int Width>
struct Floats {
  float values[Width];
  __device__ __forceinline__ float& operator[](int index) { return values[index]; }
  __device__ __forceinline__ float operator[](int index) const { return values[index]; }
};

/// @pre `from` is aligned to 16 bytes unless Width is 1; the same for `store`
template <int Width, class T>
__device__ __forceinline__ Pack<T, Width> load(const T* from) {
  return *reinterpret_cast<const Pack<T, Width>*>(from);
}

template <int Width, class T>
__device__ __forceinline__ void store(T* to, const Pack<T, Width>& pack) {
  *reinterpret_cast<Pack<T, Width>*>(to) = pack;
}

template <int Width>
__device__ __forceinline__ Floats<Width> widened(const Pack<float, Width>& pack) {
  Floats<Width> result;
  if constexpr (Width == 1) {
    result[0] = pack.element;
  } else {
#pragma unroll
    for (int i = 0; i < Width; ++i) {
      result[i] = std::bit_cast<float>(pack.quads[i / 4].words[i % 4]);
    }
  }
  return result;
}

template <int Width>
__device__ __forceinline__ Floats<Width> widened(const Pack<bf16, Width>& pack) {
  Floats<Width> result;
  if constexpr (Width == 1) {
    result[0] = std::bit_cast<float>(static_cast<std::uint32_t>(pack.element) << 16U);
  } else {
#pragma unroll
    for (int i = 0; i < Width; i += 2) {
      const std::uint32_t word = pack.quads[i / 8].words[i % 8 / 2];
      result[i] = std::bit_cast<float>(word << 16U);
      result[i + 1] = std::bit_cast<float>(word & 0xffff0000U);
    }
  }
  return result;
}

/// Rounds to nearest, ties to even.
template <class T, int Width>
__device__ __forceinline__ Pack<T, Width> narrowed(const Floats<Width>& floats) {
  Pack<T, Width> pack;
  if constexpr (sizeof(T) == sizeof(float)) {
    if constexpr (Width == 1) {
      pack.element = floats[0];
    } else {
#pragma unroll
      for (int i = 0; i < Width; ++i) {
        pack.quads[i / 4].words[i % 4] = std::bit_cast<std::uint32_t>(floats[i]);
      }
    }
  } else {
    if constexpr (Width == 1) {
      pack.element = bf16(floats[0]).bits;
    } else {
#pragma unroll
      for (int i = 0; i < Width; i += 2) {
        pack.quads[i / 8].words[i % 8 / 2] = ptx::pack_bf16(floats[i], floats[i + 1]);
      }
    }
  }
  return pack;
}

template <int Width, class T>
__device__ __forceinline__ Floats<Width> load_floats(const T* from) {
  return widened(load<Width>(from));
}

template <int Width, class T>
__device__ __forceinline__ void store_floats(T* to, const Floats<Width>& floats) {
  store<Width>(to, narrowed<T>(floats));
}

}  // namespace ringworld::row
