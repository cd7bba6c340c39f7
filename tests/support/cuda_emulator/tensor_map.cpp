#include "support/cuda_emulator/tensor_map.hpp"

#include <cstring>

#include "support/cuda_emulator/device_memory.hpp"
#include "support/cuda_emulator/failure.hpp"

namespace cuda_emulator {
namespace {

constexpr std::uint32_t magic = 0x7e4504a9;

}  // namespace

TensorMap decode(const CUtensorMap& map) {
  TensorMap decoded;
  std::memcpy(static_cast<void*>(&decoded), &map, sizeof(decoded));
  if (decoded.magic != magic) {
    throw Failure("a bulk tensor copy was given something that is not a tensor map");
  }
  return decoded;
}

}  // namespace cuda_emulator

CUresult cuTensorMapEncodeTiled(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank, void* data,
                                const cuuint64_t* sizes, const cuuint64_t* stride_bytes, const cuuint32_t* box,
                                const cuuint32_t* element_strides, CUtensorMapInterleave /*interleave*/,
                                CUtensorMapSwizzle swizzle, CUtensorMapL2promotion /*promotion*/,
                                CUtensorMapFloatOOBfill /*fill*/) {
  using namespace cuda_emulator;  // NOLINT(google-build-using-namespace)
  TensorMap encoded{.data = static_cast<std::byte*>(data), .magic = magic};
  encoded.is_float = type == CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
  encoded.is_bf16 = type == CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  encoded.element_bytes = encoded.is_bf16 ? 2 : 4;
  encoded.swizzle_bytes = swizzle == CU_TENSOR_MAP_SWIZZLE_NONE ? 0 : static_cast<std::uint8_t>(16U << swizzle);
  encoded.rank = static_cast<std::uint8_t>(rank);
  // What the driver refuses.
  bool is_valid =
      rank >= 1 && rank <= 5 && reinterpret_cast<std::uintptr_t>(data) % 16 == 0 && kind_of(data) == MemoryKind::device;
  for (std::size_t dimension = 0; is_valid && dimension < rank; ++dimension) {
    encoded.sizes[dimension] = static_cast<std::uint32_t>(sizes[dimension]);
    encoded.box[dimension] = static_cast<std::uint16_t>(box[dimension]);
    is_valid = sizes[dimension] >= 1 && sizes[dimension] <= std::uint64_t{1} << 32U && box[dimension] >= 1 &&
               box[dimension] <= 256 && element_strides[dimension] == 1;
    if (dimension > 0) {
      encoded.stride_bytes[dimension - 1] = stride_bytes[dimension - 1];
      is_valid =
          is_valid && stride_bytes[dimension - 1] % 16 == 0 && stride_bytes[dimension - 1] < std::uint64_t{1} << 40U;
    }
  }
  const std::size_t row_bytes = std::size_t{encoded.box[0]} * encoded.element_bytes;
  is_valid = is_valid && row_bytes % 16 == 0 && (encoded.swizzle_bytes == 0 || row_bytes <= encoded.swizzle_bytes);
  if (!is_valid) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  std::memset(map, 0, sizeof(*map));
  std::memcpy(map, &encoded, sizeof(encoded));
  return CUDA_SUCCESS;
}
