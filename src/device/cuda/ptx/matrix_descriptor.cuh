#pragma once
/// @file  How wgmma is told where an operand lies in shared memory.
/// Source: PTX ISA, "Asynchronous Warpgroup Level Matrix Shared Memory Layout".
///
///   bits   0-13  start address / 16           bits  16-29  leading byte offset / 16
///   bits  32-45  stride byte offset / 16      bits  62-63  swizzle: 0 none, 1 128 bytes, 2 64 bytes, 3 32 bytes
///
/// An operand is built of patterns of 8 rows of w bytes, w the width of the swizzle: in K-major order a row is one index
/// m or n with its neighbours in k, in MN-major order one index k with its neighbours in m or n. Within a pattern that
/// starts on a multiple of 8 w the 16-byte chunk c of row r lies at chunk c ^ r (128 bytes; r / 2 for 64, r / 4 for 32),
/// just as bulk copies with the same swizzle lay it down.
///
///   K-major:   stride = bytes from 8 rows to the next 8 (8 w where they are packed); leading is not looked at, since the
///              16 values of k of one instruction lie within a row. The next 16 values of k: start + 32 bytes.
///   MN-major:  leading = bytes from w / 2 values of m or n to the next w / 2; stride = bytes from 8 values of k to the
///              next 8. The next 16 values of k: start + 2 stride.

#include <cstdint>

#include "device/cuda/ptx/shared_memory.cuh"

namespace ringworld::ptx {

enum class Swizzle : std::uint64_t { none = 0, bytes_128 = 1, bytes_64 = 2, bytes_32 = 3 };

/// In which order an operand's elements follow each other: of the index that is summed over, or of the other one.
enum class Major : int { k = 0, mn = 1 };

using MatrixDescriptor = std::uint64_t;

/// @param start, leading, stride  multiples of 16 below 2^18
[[nodiscard]] __host__ __device__ constexpr MatrixDescriptor make_descriptor(Swizzle swizzle, SharedAddress start,
                                                                             std::uint32_t leading,
                                                                             std::uint32_t stride) {
  const auto encode = [](std::uint32_t bytes) { return static_cast<MatrixDescriptor>((bytes & 0x3ffffU) >> 4U); };
  return encode(start) | encode(leading) << 16U | encode(stride) << 32U | static_cast<MatrixDescriptor>(swizzle) << 62U;
}

/// The descriptor of the same layout `bytes` later, a multiple of 16.
[[nodiscard]] __host__ __device__ constexpr MatrixDescriptor advance(MatrixDescriptor descriptor, std::uint32_t bytes) {
  return descriptor + (bytes >> 4U);
}

}  // namespace ringworld::ptx
