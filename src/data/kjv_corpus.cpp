/// @file  Reads the data file of Debian's package bible-kjv-text. Integers are 32 bits, big-endian:
///
///   0x00  "EC02Compressed Data File", zeros
///   0x54  bytes of text in a window   windows N   N + 1 offsets   compress header   window 0   window 1 ...
///
/// Each window is a stream of `compress` of its own. The text is a title line, then a verse a line: "Ge1:1 In the ...".

#include <fmt/format.h>

#include <string_view>

#include "core/error.hpp"
#include "data/corpus.hpp"
#include "data/lzw.hpp"
#include "data/text_file.hpp"

namespace ringworld {
namespace {

constexpr std::size_t window_bytes_at = 0x54;
constexpr std::size_t windows_at = 0x58;
constexpr std::size_t offsets_at = 0x5c;

class DataFile {
 public:
  explicit DataFile(const std::filesystem::path& path) : path_(path), content_(read_binary_file(path)) {
    require_data(content_.starts_with("EC02"));
  }

  [[nodiscard]] std::string text() const {
    const std::uint32_t windows = integer(windows_at);
    std::string text;
    for (std::uint32_t window = 0; window < windows; ++window) {
      const std::size_t begin = integer(offsets_at + 4 * std::size_t{window});
      const std::size_t end = integer(offsets_at + 4 * (std::size_t{window} + 1));
      require_data(begin <= end && end <= content_.size());
      const auto* const bytes = reinterpret_cast<const unsigned char*>(content_.data());
      const std::string part = decompress_lzw({bytes + begin, end - begin});
      require_data(window + 1 == windows || part.size() == integer(window_bytes_at));
      text += part;
    }
    return text;
  }

  void require_data(bool condition) const {
    require_input(condition,
                  fmt::format("'{}' is not the data file of Debian's package bible-kjv-text", path_.string()));
  }

 private:
  [[nodiscard]] std::uint32_t integer(std::size_t position) const {
    require_data(position + 4 <= content_.size());
    std::uint32_t number = 0;
    for (std::size_t byte = 0; byte < 4; ++byte) {
      number = number << 8U | static_cast<unsigned char>(content_[position + byte]);
    }
    return number;
  }

  std::filesystem::path path_;
  std::string content_;
};

}  // namespace

Corpus read_kjv_corpus(const std::filesystem::path& data_file) {
  std::error_code ignored;
  require_input(std::filesystem::exists(data_file, ignored),
                fmt::format("the KJV haystack needs '{}' of Debian's package bible-kjv-text (apt-get install "
                            "bible-kjv-text); without it, name text files or choose the synthetic haystack",
                            data_file.string()));
  const DataFile file(data_file);
  const std::string text = file.text();
  Corpus corpus;
  corpus.name = "King James Bible";
  std::string_view rest = text;
  rest.remove_prefix(std::min(rest.size(), rest.find('\n') + 1));  // the title
  std::string_view chapter;
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::size_t colon = line.find(':');
    const std::size_t space = line.find(' ');
    file.require_data(colon != std::string_view::npos && space != std::string_view::npos && colon < space);
    if (line.substr(0, colon) != chapter) {
      chapter = line.substr(0, colon);
      corpus.documents.emplace_back();
    }
    corpus.documents.back() += line.substr(space + 1);
    corpus.documents.back() += '\n';
  }
  file.require_data(!corpus.documents.empty());
  return corpus;
}

}  // namespace ringworld
