#pragma once
/// @file  The quantised numbers of GGUF files, to float32, bit for bit as the `gguf` package has them.
/// Source: https://github.com/ggml-org/llama.cpp, gguf-py/gguf/quants.py. A block holds its numbers side by side of one
/// row; d, m: half-precision scale and offset.
///
///   F32, F16, BF16  1 number
///   Q8_0    32      d, 32 of int8                                       x = d q
///   Q4_0    32      d, 16 bytes of two                                  x = d (q - 8)
///   Q4_1    32      d, m, 16 bytes of two                               x = d q + m
///   Q4_K    256     d, m, 8 scales and 8 offsets of 6 bits, 128 bytes   x = (d s) q - (m o)
///   Q6_K    256     128 bytes of low bits, 64 of high, 16 int8 s, d     x = (d s) (q - 32)

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ringworld {

/// A type of elements in a GGUF file.
struct GgufType {
  std::uint32_t number = 0;  ///< as the file has it
  std::string_view name;
  std::int64_t block_elements = 0;
  std::int64_t block_bytes = 0;
  /// Of one block, or of any number of blocks of one element. @pre as many bytes and values as they have
  void (*to_float)(std::span<const std::byte> block, std::span<float> values) = nullptr;
};

/// Null for a type that is not read.
[[nodiscard]] const GgufType* find_gguf_type(std::uint32_t number);

/// The name of a type, read or not: "Q5_K", "type 99".
[[nodiscard]] std::string name_of_gguf_type(std::uint32_t number);

/// The names of all types that are read: "F32, F16, ...".
[[nodiscard]] std::string names_of_gguf_types();

}  // namespace ringworld
