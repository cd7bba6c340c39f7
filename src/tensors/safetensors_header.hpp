#pragma once
/// @file  The header of a safetensors file: which tensors it holds, of what type, and where.
///
///   8 bytes   length N of the header, little-endian
///   N bytes   JSON: {"<name>": {"dtype": "BF16", "shape": [4, 8], "data_offsets": [0, 64]}, ...}
///   the rest  elements, row major, little-endian; offsets count from here
///
/// Source: https://github.com/huggingface/safetensors, section Format of its README. As there, the tensors must fill
/// the rest without a gap, and no name may stand twice.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace ringworld {

enum class SafetensorsType : std::uint8_t { float64, float32, float16, bfloat16, other };

struct SafetensorsEntry {
  SafetensorsType type = SafetensorsType::other;
  std::string type_name;  ///< as the file spells it: "BF16"
  std::vector<std::int64_t> shape;
  std::int64_t begin = 0;  ///< byte of the file
  std::int64_t end = 0;
};

using SafetensorsHeader = std::map<std::string, SafetensorsEntry>;

/// Bytes in front of the header.
inline constexpr std::int64_t safetensors_prefix_bytes = 8;

/// The header's length.
/// @param prefix  the first bytes of the file     @param file_bytes  its size
/// @throws ringworld::Error (bad_input) when the file is too short for what it says, or says nonsense.
[[nodiscard]] std::int64_t safetensors_header_bytes(std::string_view prefix, std::int64_t file_bytes);

/// @throws ringworld::Error (bad_input) that says what is wrong, and with which tensor: no JSON, a name that stands
/// twice, an unknown type, offsets that overlap, leave a gap, or do not fit the shape or the file.
[[nodiscard]] SafetensorsHeader parse_safetensors_header(std::string_view json, std::int64_t file_bytes);

}  // namespace ringworld
