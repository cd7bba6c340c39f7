#pragma once
/// @file  The header of a GGUF file: what it says of the model, which tensors it holds, of what type, and where.
///
///   "GGUF"    version (2 or 3), number of tensors, number of keys
///   keys      name, type, value
///   tensors   name, extents from the innermost on, type, offset
///   the rest  from the next multiple of general.alignment (32) on: elements, little-endian; offsets count from here
///
/// Source: https://github.com/ggml-org/ggml, docs/gguf.md.

#include <cstdint>
#include <istream>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/attribute.hpp"

namespace ringworld {

struct GgufEntry {
  std::uint32_t type = 0;           ///< find_gguf_type
  std::vector<std::int64_t> shape;  ///< row major: the last extent is the file's first
  std::int64_t begin = 0;           ///< byte of the file
};

/// The elements of a list: texts or numbers.
struct GgufList {
  std::vector<std::string> texts;
  std::vector<double> numbers;
};

struct GgufHeader {
  std::map<std::string, AttributeValue> keys;  ///< those that are no list: lists belong to the tokenizer
  std::map<std::string, GgufList> lists;       ///< those that were asked for
  std::map<std::string, GgufEntry> tensors;
  std::int64_t bytes = 0;  ///< in front of the padding
};

/// @param file_bytes  size of the whole file, of which `file` needs no more than the header
/// @param lists  keys whose lists are wanted; other lists are skipped
/// @throws ringworld::Error (bad_input) that says what is wrong, and with which key or tensor: no GGUF, a name that
/// stands twice, lengths that the file cannot hold, tensors that overlap or end behind the file.
[[nodiscard]] GgufHeader parse_gguf_header(std::istream& file, std::int64_t file_bytes,
                                           std::span<const std::string_view> lists = {});

}  // namespace ringworld
