#pragma once
/// @file  Descriptions of tensors in global memory for the tensor memory accelerator, which copies boxes of them.
/// Source: CUDA driver API, "cuTensorMapEncodeTiled". sm_90 and up.

#include <cuda.h>

#include <array>
#include <cstdint>

#include "core/dtype.hpp"

namespace ringworld {

/// How the 16-byte chunks of a box's rows are permuted in shared memory (see ptx/matrix_descriptor.cuh). A row of the box
/// is then at most as wide.
enum class BoxSwizzle : std::uint8_t { none, bytes_32, bytes_64, bytes_128 };

/// A tensor and the box that one copy moves. Dimensions go from the innermost, whose elements are neighbours, outwards;
/// those that a tensor does not have have size 1 and any stride.
struct TensorMapShape {
  void* data = nullptr;  ///< device memory, a multiple of 16
  DType dtype = DType::bfloat16;
  std::array<std::int64_t, 4> sizes{1, 1, 1, 1};  ///< elements
  std::array<std::int64_t, 4> strides{};  ///< elements; times their size a multiple of 16 bytes, but strides[0] = 1
  std::array<std::int64_t, 4> box{1, 1, 1, 1};  ///< elements, at most 256 each; box[0] a multiple of 16 bytes
  BoxSwizzle swizzle = BoxSwizzle::none;
};

/// Encodes a four-dimensional map, to be given to a kernel as a `const __grid_constant__ CUtensorMap` parameter.
/// @throws Error(internal) when the driver refuses it, or has no such function.
[[nodiscard]] CUtensorMap make_tensor_map(const TensorMapShape& shape);

}  // namespace ringworld
