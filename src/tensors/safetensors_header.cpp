#include "tensors/safetensors_header.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "core/error.hpp"
#include "tensors/json_text.hpp"

namespace ringworld {

namespace {

using Json = nlohmann::ordered_json;

/// The limit of the reference implementation.
constexpr std::int64_t most_header_bytes = 100'000'000;

struct TypeName {
  std::string_view name;
  SafetensorsType type;
  std::int64_t bytes;
};

constexpr std::array type_names{
    TypeName{"F64", SafetensorsType::float64, 8},  TypeName{"F32", SafetensorsType::float32, 4},
    TypeName{"F16", SafetensorsType::float16, 2},  TypeName{"BF16", SafetensorsType::bfloat16, 2},
    TypeName{"I64", SafetensorsType::other, 8},    TypeName{"U64", SafetensorsType::other, 8},
    TypeName{"I32", SafetensorsType::other, 4},    TypeName{"U32", SafetensorsType::other, 4},
    TypeName{"I16", SafetensorsType::other, 2},    TypeName{"U16", SafetensorsType::other, 2},
    TypeName{"I8", SafetensorsType::other, 1},     TypeName{"U8", SafetensorsType::other, 1},
    TypeName{"BOOL", SafetensorsType::other, 1},   TypeName{"F8_E4M3", SafetensorsType::other, 1},
    TypeName{"F8_E5M2", SafetensorsType::other, 1}};

/// A list of integers that are not negative.
std::vector<std::int64_t> numbers_in(const Json& object, const char* key, const std::string& name) {
  const auto found = object.find(key);
  const auto is_count = [](const Json& value) {
    return value.is_number_unsigned() && value.get<std::uint64_t>() <= std::numeric_limits<std::int64_t>::max();
  };
  require_input(found != object.end() && found->is_array() && std::ranges::all_of(*found, is_count),
                fmt::format("tensor '{}': {} is no list of integers from 0 on", name, key));
  return found->get<std::vector<std::int64_t>>();
}

/// Nothing when it is beyond int64.
std::optional<std::int64_t> bytes_of(const std::vector<std::int64_t>& shape, std::int64_t element_bytes) {
  std::int64_t bytes = element_bytes;
  for (const std::int64_t extent : shape) {
    if (__builtin_mul_overflow(bytes, extent, &bytes)) {
      return std::nullopt;
    }
  }
  return bytes;
}

SafetensorsEntry entry_of(const std::string& name, const Json& value, std::int64_t data_begin,
                          std::int64_t data_bytes) {
  require_input(value.is_object(), fmt::format("tensor '{}' is not described by an object", name));
  const auto dtype = value.find("dtype");
  require_input(dtype != value.end() && dtype->is_string(), fmt::format("tensor '{}' has no dtype", name));
  SafetensorsEntry entry{.type_name = dtype->get<std::string>(), .shape = numbers_in(value, "shape", name)};
  const auto* const type = std::ranges::find(type_names, entry.type_name, &TypeName::name);
  require_input(type != type_names.end(),
                fmt::format("tensor '{}' has the unknown dtype '{}'", name, entry.type_name.substr(0, 40)));
  entry.type = type->type;
  const std::vector<std::int64_t> offsets = numbers_in(value, "data_offsets", name);
  require_input(offsets.size() == 2 && offsets[0] <= offsets[1],
                fmt::format("tensor '{}': data_offsets are not a begin and an end", name));
  require_input(offsets[1] <= data_bytes,
                fmt::format("it is truncated: tensor '{}' ends {} bytes behind the end of the file", name,
                            offsets[1] - data_bytes));
  require_input(bytes_of(entry.shape, type->bytes) == offsets[1] - offsets[0],
                fmt::format("tensor '{}' of {} ({}) does not fill its {} bytes", name, entry.type_name,
                            fmt::join(entry.shape, ", "), offsets[1] - offsets[0]));
  entry.begin = data_begin + offsets[0];
  entry.end = data_begin + offsets[1];
  return entry;
}

/// Tensors fill the file from the header on: none overlaps another, and nothing is left over.
void require_dense(const SafetensorsHeader& header, std::int64_t data_begin, std::int64_t file_bytes) {
  std::vector<const SafetensorsHeader::value_type*> in_order;
  for (const auto& tensor : header) {
    in_order.push_back(&tensor);
  }
  std::ranges::sort(in_order, {},
                    [](const auto* tensor) { return std::pair(tensor->second.begin, tensor->second.end); });
  std::int64_t place = data_begin;
  for (const auto* const tensor : in_order) {
    const auto& [name, entry] = *tensor;
    require_input(entry.begin >= place, fmt::format("tensor '{}' overlaps the one before it", name));
    require_input(entry.begin <= place,
                  fmt::format("there is a gap of {} bytes before tensor '{}'", entry.begin - place, name));
    place = entry.end;
  }
  require_input(place == file_bytes, fmt::format("{} bytes at its end belong to no tensor", file_bytes - place));
}

}  // namespace

std::int64_t safetensors_header_bytes(std::string_view prefix, std::int64_t file_bytes) {
  require_input(prefix.size() >= static_cast<std::size_t>(safetensors_prefix_bytes),
                fmt::format("it has {} bytes, too few for a safetensors file", file_bytes));
  std::uint64_t length = 0;
  for (std::size_t byte = 0; byte < 8; ++byte) {
    length |= std::uint64_t{static_cast<unsigned char>(prefix[byte])} << (8 * byte);
  }
  require_input(length <= static_cast<std::uint64_t>(most_header_bytes),
                fmt::format("it is no safetensors file: its header would have {} bytes", length));
  require_input(static_cast<std::int64_t>(length) <= file_bytes - safetensors_prefix_bytes,
                fmt::format("it is truncated: its header has {} bytes, the file {}", length, file_bytes));
  return static_cast<std::int64_t>(length);
}

SafetensorsHeader parse_safetensors_header(std::string_view json, std::int64_t file_bytes) {
  const Json parsed = parse_json_object(json, "its header");
  const std::int64_t data_begin = safetensors_prefix_bytes + std::ssize(json);
  SafetensorsHeader header;
  for (const auto& [name, value] : parsed.items()) {
    if (name != "__metadata__") {
      header.emplace(name, entry_of(name, value, data_begin, file_bytes - data_begin));
    }
  }
  require_dense(header, data_begin, file_bytes);
  return header;
}

}  // namespace ringworld
