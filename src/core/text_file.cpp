#include "core/text_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>

#include "core/error.hpp"
#include "core/utf8.hpp"

namespace ringworld {
namespace {

using namespace std::string_view_literals;

struct Encoding {
  std::string_view mark;  ///< byte order mark
  std::string_view name;  ///< as iconv calls it
};
/// The longer marks first: that of UTF-16LE is the beginning of UTF-32LE's.
constexpr std::array<Encoding, 4> other_encodings{
    {{"\xff\xfe\0\0"sv, "UTF-32"}, {"\0\0\xfe\xff"sv, "UTF-32"}, {"\xff\xfe"sv, "UTF-16"}, {"\xfe\xff"sv, "UTF-16"}}};
constexpr std::string_view utf8_mark = "\xef\xbb\xbf";

[[noreturn]] void refuse(std::string_view name, std::string_view what, std::string_view encoding) {
  throw Error(ErrorKind::bad_input, fmt::format("{} {}, where UTF-8 is expected: convert it with iconv -f {} -t UTF-8",
                                                name, what, encoding));
}

/// Which of the encodings of several bytes a character a text with zeros has: in Latin letters, every second byte or
/// three of four are zero. Empty when it is none.
std::string_view encoding_with_zeros(std::string_view bytes) {
  const std::string_view sample = bytes.substr(0, std::min<std::size_t>(bytes.size(), 4096) / 4 * 4);
  std::array<std::size_t, 4> zeros{};
  for (std::size_t i = 0; i < sample.size(); ++i) {
    zeros[i % 4] += sample[i] == '\0' ? 1 : 0;
  }
  const std::size_t most = sample.size() / 4 - sample.size() / 16;  // three quarters of a place's bytes
  const auto is_zero = [&](std::size_t place) { return sample.size() >= 4 && zeros[place] >= most; };
  if (is_zero(1) && is_zero(2) && is_zero(3)) {
    return "UTF-32LE";
  }
  if (is_zero(0) && is_zero(1) && is_zero(2)) {
    return "UTF-32BE";
  }
  if (is_zero(1) && is_zero(3)) {
    return "UTF-16LE";
  }
  return is_zero(0) && is_zero(2) ? "UTF-16BE" : "";
}

}  // namespace

std::string read_binary_file(const std::filesystem::path& path) {
  std::error_code ignored;
  require_input(!std::filesystem::is_directory(path, ignored),
                fmt::format("'{}' is a directory; a file is needed", path.string()));
  require_input(std::filesystem::exists(path, ignored),
                fmt::format("'{}' cannot be opened: there is no such file", path.string()));
  // A file that can be read only once, such as a pipe, would leave the other ranks waiting for ever.
  require_input(std::filesystem::is_regular_file(path, ignored),
                fmt::format("'{}' is not a regular file, which every rank can read", path.string()));
  std::ifstream stream(path, std::ios::binary);
  require_input(stream.is_open(), fmt::format("'{}' cannot be opened for reading", path.string()));
  std::string bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  require_input(!stream.bad(), fmt::format("'{}' cannot be read to its end", path.string()));
  return bytes;
}

std::string read_text_file(const std::filesystem::path& path) {
  const std::string name = fmt::format("'{}'", path.string());
  std::string text = plain_text(read_binary_file(path), name);
  require_input(!text.empty(), fmt::format("{} is empty", name));
  return text;
}

std::string plain_text(std::string_view bytes, std::string_view name) {
  for (const Encoding& encoding : other_encodings) {
    if (bytes.starts_with(encoding.mark)) {
      refuse(name, fmt::format("is {} text", encoding.name), encoding.name);
    }
  }
  const std::size_t begin = bytes.starts_with(utf8_mark) ? utf8_mark.size() : 0;
  bytes.remove_prefix(begin);
  if (const std::size_t zero = bytes.find('\0'); zero != std::string_view::npos) {
    if (const std::string_view encoding = encoding_with_zeros(bytes); !encoding.empty()) {
      refuse(name, fmt::format("seems to be {} text", encoding), encoding);
    }
    throw Error(ErrorKind::bad_input,
                fmt::format("{} has a zero at byte {}: it is no text, where UTF-8 is expected", name, begin + zero));
  }
  if (const auto place = find_malformed(bytes)) {
    throw Error(ErrorKind::bad_input,
                fmt::format("{} is not UTF-8: byte {} is 0x{:02x}; if it is Latin-1 text, convert it with iconv -f "
                            "ISO-8859-1 -t UTF-8",
                            name, begin + *place, static_cast<unsigned char>(bytes[*place])));
  }
  std::string text;
  text.reserve(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != '\r') {
      text += bytes[i];
    } else if (i + 1 == bytes.size() || bytes[i + 1] != '\n') {
      text += '\n';  // a carriage return alone ends a line too
    }
  }
  return text;
}

}  // namespace ringworld
