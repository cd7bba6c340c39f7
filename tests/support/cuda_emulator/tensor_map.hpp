#pragma once
/// @file  What the emulator keeps in a CUtensorMap.

#include <cuda.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace cuda_emulator {

/// Innermost dimension first.
struct TensorMap {
  std::byte* data = nullptr;
  std::uint32_t magic = 0;  ///< tells a map from other bytes
  std::uint8_t rank = 0;
  std::uint8_t element_bytes = 0;
  std::uint8_t swizzle_bytes = 0;  ///< 0, 32, 64 or 128
  bool is_float = false;           ///< else bf16, or int32; for additions
  bool is_bf16 = false;
  std::array<std::uint32_t, 5> sizes{};
  std::array<std::uint64_t, 4> stride_bytes{};  ///< of all dimensions but the innermost
  std::array<std::uint16_t, 5> box{};
};
static_assert(sizeof(TensorMap) <= sizeof(CUtensorMap));

/// @throws Failure when `map` was not made by cuTensorMapEncodeTiled.
[[nodiscard]] TensorMap decode(const CUtensorMap& map);

}  // namespace cuda_emulator
