#include "tensors/gguf_header.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include "core/error.hpp"
#include "tensors/gguf_blocks.hpp"

namespace ringworld {

namespace {

static_assert(std::endian::native == std::endian::little, "numbers are read as they lie in the file");

/// More than any name or chat template has.
constexpr std::int64_t most_text_bytes = std::int64_t{1} << 24;
constexpr std::uint64_t most_extents = 4;
/// Of general.alignment, where the file says nothing.
constexpr std::int64_t usual_alignment = 32;

enum class KeyType : std::uint32_t {
  uint8,
  int8,
  uint16,
  int16,
  uint32,
  int32,
  float32,
  boolean,
  text,
  list,
  uint64,
  int64,
  float64
};

/// Bytes of a number; nothing for what is no number.
std::optional<std::int64_t> bytes_of_number(KeyType type) {
  switch (type) {
    case KeyType::uint8:
    case KeyType::int8:
    case KeyType::boolean:
      return 1;
    case KeyType::uint16:
    case KeyType::int16:
      return 2;
    case KeyType::uint32:
    case KeyType::int32:
    case KeyType::float32:
      return 4;
    case KeyType::uint64:
    case KeyType::int64:
    case KeyType::float64:
      return 8;
    case KeyType::text:
    case KeyType::list:
      break;
  }
  return std::nullopt;
}

/// Reads a header from its start, and never beyond the end of the file.
class Cursor {
 public:
  Cursor(std::istream& file, std::int64_t file_bytes) : file_(file), left_(file_bytes), file_bytes_(file_bytes) {}

  [[nodiscard]] std::int64_t place() const { return file_bytes_ - left_; }
  [[nodiscard]] std::int64_t left() const { return left_; }

  template <class T>
  T number() {
    T value{};
    take(sizeof(T));
    file_.read(reinterpret_cast<char*>(&value), sizeof(T));
    require_read();
    return value;
  }

  std::string text() {
    const std::int64_t length = length_of_text();
    require_input(length <= most_text_bytes, fmt::format("a name or text in its header would have {} bytes", length));
    std::string value(static_cast<std::size_t>(length), '\0');
    file_.read(value.data(), length);
    require_read();
    return value;
  }

  void skip_text() { pass_over(length_of_text()); }

  void skip_numbers(std::int64_t bytes_each, std::uint64_t count) {
    require_input(count <= static_cast<std::uint64_t>(left_ / bytes_each),
                  fmt::format("it is truncated: a list in its header would have {} elements", count));
    const std::int64_t bytes = bytes_each * static_cast<std::int64_t>(count);
    left_ -= bytes;
    pass_over(bytes);
  }

 private:
  std::int64_t length_of_text() {
    const auto length = number<std::uint64_t>();
    require_input(length <= static_cast<std::uint64_t>(left_),
                  fmt::format("it is truncated: a text in its header would have {} bytes", length));
    left_ -= static_cast<std::int64_t>(length);
    return static_cast<std::int64_t>(length);
  }

  void pass_over(std::int64_t bytes) {
    file_.ignore(bytes);
    require_input(file_.gcount() == bytes, "it is truncated: its header ends too early");
  }

  void take(std::size_t bytes) {
    require_input(static_cast<std::int64_t>(bytes) <= left_, "it is truncated: its header ends too early");
    left_ -= static_cast<std::int64_t>(bytes);
  }

  void require_read() const { require_input(file_.good(), "it is truncated: its header ends too early"); }

  std::istream& file_;
  std::int64_t left_;
  std::int64_t file_bytes_;
};

KeyType key_type(std::uint32_t number, const std::string& name) {
  require_input(number <= static_cast<std::uint32_t>(KeyType::float64),
                fmt::format("key '{}' has the unknown type {}", name, number));
  return static_cast<KeyType>(number);
}

void skip_list(Cursor& cursor, const std::string& name) {
  const KeyType type = key_type(cursor.number<std::uint32_t>(), name);
  const auto count = cursor.number<std::uint64_t>();
  require_input(type != KeyType::list, fmt::format("key '{}' is a list of lists", name));
  if (const auto bytes = bytes_of_number(type)) {
    cursor.skip_numbers(*bytes, count);
    return;
  }
  for (std::uint64_t item = 0; item < count; ++item) {
    cursor.skip_text();
  }
}

/// Nothing for a list.
std::optional<AttributeValue> read_value(Cursor& cursor, KeyType type, const std::string& name) {
  const auto integer = [](auto value) { return AttributeValue(static_cast<std::int64_t>(value)); };
  switch (type) {
    case KeyType::uint8:
      return integer(cursor.number<std::uint8_t>());
    case KeyType::int8:
      return integer(cursor.number<std::int8_t>());
    case KeyType::uint16:
      return integer(cursor.number<std::uint16_t>());
    case KeyType::int16:
      return integer(cursor.number<std::int16_t>());
    case KeyType::uint32:
      return integer(cursor.number<std::uint32_t>());
    case KeyType::int32:
      return integer(cursor.number<std::int32_t>());
    case KeyType::uint64: {
      const auto value = cursor.number<std::uint64_t>();
      require_input(value <= std::numeric_limits<std::int64_t>::max(), fmt::format("key '{}' is {}", name, value));
      return integer(value);
    }
    case KeyType::int64:
      return integer(cursor.number<std::int64_t>());
    case KeyType::float32:
      return AttributeValue(static_cast<double>(cursor.number<float>()));
    case KeyType::float64:
      return AttributeValue(cursor.number<double>());
    case KeyType::boolean:
      return AttributeValue(cursor.number<std::uint8_t>() != 0);
    case KeyType::text:
      return AttributeValue(cursor.text());
    case KeyType::list:
      break;
  }
  skip_list(cursor, name);
  return std::nullopt;
}

GgufList read_list(Cursor& cursor, const std::string& name) {
  const KeyType type = key_type(cursor.number<std::uint32_t>(), name);
  const auto count = cursor.number<std::uint64_t>();
  GgufList list;
  for (std::uint64_t item = 0; item < count; ++item) {
    if (type == KeyType::text) {
      list.texts.push_back(cursor.text());
      continue;
    }
    const bool is_number = bytes_of_number(type).has_value() && type != KeyType::boolean;
    require_input(is_number, fmt::format("key '{}' is a list of neither texts nor numbers", name));
    list.numbers.push_back(as_number(read_value(cursor, type, name).value_or(0.0)).value_or(0.0));
  }
  return list;
}

void read_key(Cursor& cursor, std::span<const std::string_view> lists, GgufHeader& header) {
  const std::string name = cursor.text();
  const KeyType type = key_type(cursor.number<std::uint32_t>(), name);
  if (type == KeyType::list && std::ranges::find(lists, name) != lists.end()) {
    require_input(header.lists.emplace(name, read_list(cursor, name)).second,
                  fmt::format("key '{}' stands twice", name));
    return;
  }
  if (auto value = read_value(cursor, type, name)) {
    require_input(header.keys.emplace(name, *std::move(value)).second, fmt::format("key '{}' stands twice", name));
  }
}

void read_tensor(Cursor& cursor, std::map<std::string, GgufEntry>& tensors) {
  const std::string name = cursor.text();
  const auto extents = cursor.number<std::uint32_t>();
  require_input(extents >= 1 && extents <= most_extents, fmt::format("tensor '{}' has {} extents", name, extents));
  GgufEntry entry;
  for (std::uint32_t i = 0; i < extents; ++i) {
    const auto extent = cursor.number<std::uint64_t>();
    require_input(extent <= std::numeric_limits<std::int64_t>::max(),
                  fmt::format("tensor '{}' has an extent of {}", name, extent));
    entry.shape.insert(entry.shape.begin(), static_cast<std::int64_t>(extent));
  }
  entry.type = cursor.number<std::uint32_t>();
  const auto offset = cursor.number<std::uint64_t>();
  require_input(offset <= std::numeric_limits<std::int64_t>::max() / 2,
                fmt::format("tensor '{}' begins at {}", name, offset));
  entry.begin = static_cast<std::int64_t>(offset);
  require_input(tensors.emplace(name, std::move(entry)).second, fmt::format("tensor '{}' stands twice", name));
}

/// Bytes of a tensor; nothing of a type that is not read, which has no size here.
std::optional<std::int64_t> bytes_of(const std::string& name, const GgufEntry& entry) {
  const GgufType* const type = find_gguf_type(entry.type);
  if (type == nullptr) {
    return std::nullopt;
  }
  require_input(
      entry.shape.back() % type->block_elements == 0,
      fmt::format("tensor '{}': rows of {} elements are no whole blocks of {}", name, entry.shape.back(), type->name));
  std::int64_t bytes = type->block_bytes;
  bool is_too_large = __builtin_mul_overflow(bytes, entry.shape.back() / type->block_elements, &bytes);
  for (std::size_t i = 0; i + 1 < entry.shape.size(); ++i) {
    is_too_large = __builtin_mul_overflow(bytes, entry.shape[i], &bytes) || is_too_large;
  }
  require_input(!is_too_large, fmt::format("tensor '{}' ({}) is too large", name, fmt::join(entry.shape, ", ")));
  return bytes;
}

/// Turns offsets to bytes of the file.
void place_tensors(GgufHeader& header, std::int64_t data_begin, std::int64_t alignment, std::int64_t file_bytes) {
  struct Extent {
    std::int64_t begin;
    std::int64_t end;
    const std::string* name;
  };
  std::vector<Extent> extents;
  for (auto& [name, entry] : header.tensors) {
    require_input(entry.begin % alignment == 0,
                  fmt::format("tensor '{}' begins at {}, no multiple of {}", name, entry.begin, alignment));
    const std::int64_t data_bytes = std::max<std::int64_t>(file_bytes - data_begin, 0);
    const std::int64_t bytes = bytes_of(name, entry).value_or(0);
    const std::int64_t room = data_bytes - entry.begin;
    require_input(bytes <= room, fmt::format("it is truncated: tensor '{}' ends {} bytes behind the end of the file",
                                             name, bytes - room));
    entry.begin += data_begin;
    extents.push_back({.begin = entry.begin, .end = entry.begin + bytes, .name = &name});
  }
  std::ranges::sort(extents, {}, [](const Extent& extent) { return std::pair(extent.begin, extent.end); });
  for (std::size_t i = 1; i < extents.size(); ++i) {
    require_input(extents[i].begin >= extents[i - 1].end,
                  fmt::format("tensor '{}' overlaps the one before it", *extents[i].name));
  }
}

}  // namespace

GgufHeader parse_gguf_header(std::istream& file, std::int64_t file_bytes, std::span<const std::string_view> lists) {
  Cursor cursor(file, file_bytes);
  constexpr std::uint32_t magic = 0x46554747;  // "GGUF"
  require_input(cursor.number<std::uint32_t>() == magic, "it is no GGUF file");
  const auto version = cursor.number<std::uint32_t>();
  require_input(version == 2 || version == 3, fmt::format("it is GGUF of version {}, where 2 or 3 is read", version));
  const auto tensors = cursor.number<std::uint64_t>();
  const auto keys = cursor.number<std::uint64_t>();
  // A tensor has 32 bytes or more in the header, a key 13.
  require_input(tensors <= static_cast<std::uint64_t>(cursor.left() / 32) &&
                    keys <= static_cast<std::uint64_t>(cursor.left() / 13),
                fmt::format("it is truncated: its header would have {} keys and {} tensors", keys, tensors));
  GgufHeader header;
  for (std::uint64_t key = 0; key < keys; ++key) {
    read_key(cursor, lists, header);
  }
  for (std::uint64_t tensor = 0; tensor < tensors; ++tensor) {
    read_tensor(cursor, header.tensors);
  }
  header.bytes = cursor.place();
  std::int64_t alignment = usual_alignment;
  if (const auto said = header.keys.find("general.alignment"); said != header.keys.end()) {
    alignment = as_integer(said->second).value_or(0);
    require_input(alignment > 0 && alignment <= most_text_bytes && alignment % 8 == 0,
                  fmt::format("general.alignment is {}", describe(said->second)));
  }
  const std::int64_t data_begin = (header.bytes + alignment - 1) / alignment * alignment;
  place_tensors(header, data_begin, alignment, file_bytes);
  return header;
}

}  // namespace ringworld
