#pragma once
/// @file  Twin of src/device/cuda/ptx/mma.cuh: gathers the fragments of a warp into matrices, multiplies those, and
/// scatters the result.
/// Source of the layouts: PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type" and "... mma.m16n8k8".

#include <cuda_runtime.h>

#include <bit>
#include <cstdint>

namespace cuda_emulator {

struct MmaShare {
  float* d = nullptr;
  const std::uint32_t* a = nullptr;
  std::uint32_t b[2] = {};
};

inline float bf16_half(std::uint32_t word, unsigned half) {
  return std::bit_cast<float>(half == 0 ? word << 16U : word & 0xffff0000U);
}

/// d (16, 8) += a (16, depth) b (depth, 8)
template <int depth>
void multiply_fragments(const Shares& shares, const float (&a)[16][depth], const float (&b)[8][depth]) {
  for (unsigned thread = 0; thread < 32; ++thread) {
    float* d = static_cast<MmaShare*>(shares[thread])->d;
    for (unsigned index = 0; index < 4; ++index) {
      const unsigned row = thread / 4 + 8 * (index / 2);
      const unsigned column = 2 * (thread % 4) + index % 2;
      float sum = d[index];
      for (int k = 0; k < depth; ++k) {
        sum += a[row][k] * b[column][k];
      }
      d[index] = sum;
    }
  }
}

inline void require_whole_warp(const Shares& shares) {
  for (unsigned thread = 0; thread < 32; ++thread) {
    if (shares[thread] == nullptr) {
      throw Failure("matrices are multiplied by whole warps");
    }
  }
}

}  // namespace cuda_emulator

namespace ringworld::ptx {

inline void mma_m16n8k16_bf16(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1,
                              CudaEmulatorLine line = CudaEmulatorLine::current()) {
  cuda_emulator::MmaShare mine{d, a, {b0, b1}};
  cuda_emulator::meet_warp(0xffffffffU, &mine,
                           [](const cuda_emulator::Shares& shares) {
                             cuda_emulator::require_whole_warp(shares);
                             float left[16][16];
                             float right[8][16];  // by column
                             for (unsigned thread = 0; thread < 32; ++thread) {
                               const auto& share = *static_cast<const cuda_emulator::MmaShare*>(shares[thread]);
                               for (unsigned half = 0; half < 2; ++half) {
                                 const unsigned pair = 2 * (thread % 4) + half;
                                 for (unsigned index = 0; index < 4; ++index) {
                                   left[thread / 4 + 8 * (index % 2)][pair + 8 * (index / 2)] =
                                       cuda_emulator::bf16_half(share.a[index], half);
                                 }
                                 for (unsigned index = 0; index < 2; ++index) {
                                   right[thread / 4][pair + 8 * index] = cuda_emulator::bf16_half(share.b[index], half);
                                 }
                               }
                             }
                             cuda_emulator::multiply_fragments(shares, left, right);
                           },
                           {"mma_m16n8k16_bf16", line});
}

inline void mma_m16n8k8_tf32(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1,
                             CudaEmulatorLine line = CudaEmulatorLine::current()) {
  cuda_emulator::MmaShare mine{d, a, {b0, b1}};
  cuda_emulator::meet_warp(0xffffffffU, &mine,
                           [](const cuda_emulator::Shares& shares) {
                             cuda_emulator::require_whole_warp(shares);
                             // The tensor cores do not look at the 13 low bits.
                             const auto tf32 = [](std::uint32_t word) { return std::bit_cast<float>(word & ~0x1fffU); };
                             float left[16][8];
                             float right[8][8];  // by column
                             for (unsigned thread = 0; thread < 32; ++thread) {
                               const auto& share = *static_cast<const cuda_emulator::MmaShare*>(shares[thread]);
                               for (unsigned index = 0; index < 4; ++index) {
                                 left[thread / 4 + 8 * (index % 2)][thread % 4 + 4 * (index / 2)] =
                                     tf32(share.a[index]);
                               }
                               for (unsigned index = 0; index < 2; ++index) {
                                 right[thread / 4][thread % 4 + 4 * index] = tf32(share.b[index]);
                               }
                             }
                             cuda_emulator::multiply_fragments(shares, left, right);
                           },
                           {"mma_m16n8k8_tf32", line});
}

}  // namespace ringworld::ptx
