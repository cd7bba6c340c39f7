#include "tensors/gguf_blocks.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "tensors/stored_numbers.hpp"

namespace ringworld {

namespace {

using Bytes = std::span<const std::byte>;
using Values = std::span<float>;

std::uint32_t byte_at(Bytes bytes, std::size_t index) { return std::to_integer<std::uint32_t>(bytes[index]); }

int signed_byte_at(Bytes bytes, std::size_t index) {
  return static_cast<std::int8_t>(std::to_integer<std::uint8_t>(bytes[index]));
}

float half_at(Bytes bytes, std::size_t index) {
  return half_to_float(static_cast<std::uint16_t>(byte_at(bytes, index) | byte_at(bytes, index + 1) << 8U));
}

/// The product is rounded before the sum is, so that no compiler may join them.
float rounded_product(float a, float b) {
  const volatile float product = a * b;
  return product;
}

void from_float32(Bytes block, Values values) { convert_to_float(SafetensorsType::float32, block, values); }
void from_float16(Bytes block, Values values) { convert_to_float(SafetensorsType::float16, block, values); }
void from_bfloat16(Bytes block, Values values) { convert_to_float(SafetensorsType::bfloat16, block, values); }

void from_q8_0(Bytes block, Values values) {
  const float scale = half_at(block, 0);
  for (std::size_t i = 0; i < 32; ++i) {
    values[i] = scale * static_cast<float>(signed_byte_at(block, 2 + i));
  }
}

void from_q4_0(Bytes block, Values values) {
  const float scale = half_at(block, 0);
  for (std::size_t i = 0; i < 16; ++i) {
    const std::uint32_t two = byte_at(block, 2 + i);
    values[i] = scale * (static_cast<float>(two & 0xfU) - 8.0F);
    values[i + 16] = scale * (static_cast<float>(two >> 4U) - 8.0F);
  }
}

void from_q4_1(Bytes block, Values values) {
  const float scale = half_at(block, 0);
  const float offset = half_at(block, 2);
  for (std::size_t i = 0; i < 16; ++i) {
    const std::uint32_t two = byte_at(block, 4 + i);
    values[i] = rounded_product(scale, static_cast<float>(two & 0xfU)) + offset;
    values[i + 16] = rounded_product(scale, static_cast<float>(two >> 4U)) + offset;
  }
}

struct ScaleAndOffset {
  std::uint32_t scale = 0;
  std::uint32_t offset = 0;
};

/// Of the 32 numbers `part` of 8: the first four have theirs in 6 bits of a byte; of the others 4 bits lie in the last
/// four bytes, 2 above the first four's.
ScaleAndOffset scale_and_offset(Bytes packed, std::size_t part) {
  if (part < 4) {
    return {.scale = byte_at(packed, part) & 0x3fU, .offset = byte_at(packed, part + 4) & 0x3fU};
  }
  const std::uint32_t low = byte_at(packed, part + 4);
  return {.scale = (low & 0xfU) | (byte_at(packed, part - 4) >> 2U & 0x30U),
          .offset = low >> 4U | (byte_at(packed, part) >> 2U & 0x30U)};
}

void from_q4_k(Bytes block, Values values) {
  const float scale = half_at(block, 0);
  const float offset = half_at(block, 2);
  for (std::size_t part = 0; part < 8; ++part) {
    const ScaleAndOffset own = scale_and_offset(block.subspan(4, 12), part);
    const float part_scale = scale * static_cast<float>(own.scale);
    const float part_offset = offset * static_cast<float>(own.offset);
    for (std::size_t i = 0; i < 32; ++i) {
      const std::uint32_t two = byte_at(block, 16 + part / 2 * 32 + i);
      const std::uint32_t number = part % 2 == 0 ? two & 0xfU : two >> 4U;
      values[32 * part + i] = rounded_product(part_scale, static_cast<float>(number)) - part_offset;
    }
  }
}

void from_q6_k(Bytes block, Values values) {
  const float scale = half_at(block, 208);
  for (std::size_t i = 0; i < 256; ++i) {
    const std::size_t group = i / 128;    // of 64 bytes of low bits and 32 of high bits
    const std::size_t part = i / 32 % 4;  // of 32 numbers in the group
    const std::uint32_t low = byte_at(block, 64 * group + i % 64) >> (part / 2 * 4) & 0xfU;
    const std::uint32_t high = byte_at(block, 128 + 32 * group + i % 32) >> (part * 2) & 0x3U;
    const float part_scale = scale * static_cast<float>(signed_byte_at(block, 192 + i / 16));
    values[i] = part_scale * (static_cast<float>(low | high << 4U) - 32.0F);
  }
}

constexpr std::array types{GgufType{0, "F32", 1, 4, from_float32},    GgufType{1, "F16", 1, 2, from_float16},
                           GgufType{30, "BF16", 1, 2, from_bfloat16}, GgufType{8, "Q8_0", 32, 34, from_q8_0},
                           GgufType{2, "Q4_0", 32, 18, from_q4_0},    GgufType{3, "Q4_1", 32, 20, from_q4_1},
                           GgufType{12, "Q4_K", 256, 144, from_q4_k}, GgufType{14, "Q6_K", 256, 210, from_q6_k}};

struct OtherType {
  std::uint32_t number;
  std::string_view name;
};

constexpr std::array other_types{OtherType{6, "Q5_0"},  OtherType{7, "Q5_1"},  OtherType{9, "Q8_1"},
                                 OtherType{10, "Q2_K"}, OtherType{11, "Q3_K"}, OtherType{13, "Q5_K"},
                                 OtherType{15, "Q8_K"}, OtherType{28, "F64"}};

}  // namespace

const GgufType* find_gguf_type(std::uint32_t number) {
  const auto* const found = std::ranges::find(types, number, &GgufType::number);
  return found == types.end() ? nullptr : found;
}

std::string name_of_gguf_type(std::uint32_t number) {
  if (const GgufType* const type = find_gguf_type(number)) {
    return std::string(type->name);
  }
  const auto* const other = std::ranges::find(other_types, number, &OtherType::number);
  return other == other_types.end() ? fmt::format("type {}", number) : std::string(other->name);
}

std::string names_of_gguf_types() {
  std::vector<std::string_view> names;
  std::ranges::transform(types, std::back_inserter(names), &GgufType::name);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace ringworld
