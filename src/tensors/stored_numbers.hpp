#pragma once
/// @file  Numbers as files of other programs store them, to float32.

#include <cstddef>
#include <cstdint>
#include <span>

#include "tensors/safetensors_header.hpp"

namespace ringworld {

/// A number of 16 bits.
/// Source: IEEE 754, binary16.
[[nodiscard]] float half_to_float(std::uint16_t bits);

/// Numbers beyond float32 become infinite.
/// @param bytes  as many numbers of `type`, little-endian, as there are values
/// @pre type is not `other`
void convert_to_float(SafetensorsType type, std::span<const std::byte> bytes, std::span<float> values);

}  // namespace ringworld
