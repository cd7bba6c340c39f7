#include "device/cuda/tensor_map.hpp"

#include <cuda_runtime_api.h>
#include <fmt/ranges.h>

#include "core/error.hpp"
#include "device/cuda/check.hpp"

namespace ringworld {
namespace {

/// The driver's function, found at run time so that no program links libcuda, which GPU-less machines lack.
decltype(&cuTensorMapEncodeTiled) find_encoder() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  constexpr unsigned first_version = 12000;
  check_cuda(
      cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, first_version, cudaEnableDefault, &found));
  require(found == cudaDriverEntryPointSuccess && function != nullptr, "the CUDA driver has no cuTensorMapEncodeTiled");
  return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(function);
}

CUtensorMapSwizzle native(BoxSwizzle swizzle) {
  switch (swizzle) {
    case BoxSwizzle::none:
      return CU_TENSOR_MAP_SWIZZLE_NONE;
    case BoxSwizzle::bytes_32:
      return CU_TENSOR_MAP_SWIZZLE_32B;
    case BoxSwizzle::bytes_64:
      return CU_TENSOR_MAP_SWIZZLE_64B;
    case BoxSwizzle::bytes_128:
      return CU_TENSOR_MAP_SWIZZLE_128B;
  }
  throw Error(ErrorKind::internal, "swizzle outside its enumeration");
}

}  // namespace

CUtensorMap make_tensor_map(const TensorMapShape& shape) {
  static const auto encode = find_encoder();
  const auto element_bytes = static_cast<cuuint64_t>(size_of(shape.dtype));
  std::array<cuuint64_t, 4> sizes{};
  std::array<cuuint64_t, 3> stride_bytes{};  // of all dimensions but the innermost
  std::array<cuuint32_t, 4> box{};
  constexpr std::array<cuuint32_t, 4> every_element{1, 1, 1, 1};
  for (std::size_t dimension = 0; dimension < sizes.size(); ++dimension) {
    sizes[dimension] = static_cast<cuuint64_t>(shape.sizes[dimension]);
    box[dimension] = static_cast<cuuint32_t>(shape.box[dimension]);
    if (dimension > 0) {
      // The stride of a dimension of size 1 is never used, but checked by the driver.
      stride_bytes[dimension - 1] =
          sizes[dimension] == 1 ? 16 : static_cast<cuuint64_t>(shape.strides[dimension]) * element_bytes;
    }
  }
  CUtensorMap map{};
  const CUresult code = encode(
      &map, shape.dtype == DType::bfloat16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 4,
      shape.data, sizes.data(), stride_bytes.data(), box.data(), every_element.data(), CU_TENSOR_MAP_INTERLEAVE_NONE,
      native(shape.swizzle), CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (code != CUDA_SUCCESS) {
    throw Error(ErrorKind::internal,
                fmt::format("cuTensorMapEncodeTiled refused a tensor of {} with box {} (code {})",
                            fmt::join(shape.sizes, " x "), fmt::join(shape.box, " x "), static_cast<int>(code)));
  }
  return map;
}

}  // namespace ringworld
