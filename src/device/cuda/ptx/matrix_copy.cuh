#pragma once
/// @file  Copies of 8x8 matrices of 16-bit elements between shared memory and the registers of a warp.
/// Source: PTX ISA, "ldmatrix" (sm_75) and "stmatrix" (sm_90).
///
/// A matrix is eight rows of 16 bytes, each anywhere in shared memory on a multiple of 16. Thread 8m+r of the warp gives
/// the address of row r of matrix m. Of every matrix thread t holds the neighbours (row t/4, columns 2(t%4), 2(t%4)+1) in
/// one register, the first in the lower half; transposed, it holds (rows 2(t%4), 2(t%4)+1, column t/4).
/// All 32 threads of the warp call these together. With two matrices the addresses of threads 16-31 are not looked at.

#include <cstdint>

#include "device/cuda/ptx/shared_memory.cuh"

namespace ringworld::ptx {

__device__ __forceinline__ void load_matrices(std::uint32_t (&to)[4], SharedAddress row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(row)
               : "memory");
}

__device__ __forceinline__ void load_matrices(std::uint32_t (&to)[2], SharedAddress row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(to[0]), "=r"(to[1])
               : "r"(row)
               : "memory");
}

__device__ __forceinline__ void load_matrices_transposed(std::uint32_t (&to)[4], SharedAddress row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(row)
               : "memory");
}

__device__ __forceinline__ void load_matrices_transposed(std::uint32_t (&to)[2], SharedAddress row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(to[0]), "=r"(to[1])
               : "r"(row)
               : "memory");
}

/// sm_90 and up.
__device__ __forceinline__ void store_matrices(SharedAddress row, const std::uint32_t (&from)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(row), "r"(from[0]),
               "r"(from[1]), "r"(from[2]), "r"(from[3])
               : "memory");
}

/// sm_90 and up.
__device__ __forceinline__ void store_matrices_transposed(SharedAddress row, const std::uint32_t (&from)[4]) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(row), "r"(from[0]),
               "r"(from[1]), "r"(from[2]), "r"(from[3])
               : "memory");
}

}  // namespace ringworld::ptx
