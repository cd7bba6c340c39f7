#include "data/lzw.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "core/error.hpp"

namespace ringworld {
namespace {

constexpr int clear_code = 256;
constexpr int first_free_code = 257;
constexpr int narrowest = 9;
constexpr int widest = 16;

/// Codes come in groups of eight, so `width` bytes a group; where the width changes, the rest of a group is left out.
class CodeReader {
 public:
  explicit CodeReader(std::span<const unsigned char> stream) : stream_(stream) {}

  void set_width(int width) {
    if (codes_in_group_ > 0) {
      group_ += static_cast<std::size_t>(width_);
      codes_in_group_ = 0;
    }
    width_ = width;
  }
  [[nodiscard]] int width() const { return width_; }

  [[nodiscard]] std::optional<int> next() {
    if (codes_in_group_ == 8) {
      group_ += static_cast<std::size_t>(width_);
      codes_in_group_ = 0;
    }
    const std::size_t bit = 8 * group_ + static_cast<std::size_t>(codes_in_group_ * width_);
    if (bit + static_cast<std::size_t>(width_) > 8 * stream_.size()) {
      return std::nullopt;
    }
    unsigned window = 0;
    for (std::size_t byte = 0; byte < 3 && bit / 8 + byte < stream_.size(); ++byte) {
      window |= static_cast<unsigned>(stream_[bit / 8 + byte]) << (8 * byte);
    }
    ++codes_in_group_;
    return static_cast<int>((window >> (bit % 8)) & ((1U << static_cast<unsigned>(width_)) - 1U));
  }

 private:
  std::span<const unsigned char> stream_;
  std::size_t group_ = 0;  ///< byte at which the current group begins
  int codes_in_group_ = 0;
  int width_ = narrowest;
};

}  // namespace

std::string decompress_lzw(std::span<const unsigned char> stream) {
  struct Entry {
    int prefix = 0;
    char last = 0;
  };
  std::vector<Entry> entries(std::size_t{1} << static_cast<unsigned>(widest));
  CodeReader codes(stream);
  std::string text;
  std::string word;  // of the current code, last letter first
  int free_code = first_free_code;
  int previous = -1;
  while (true) {
    if (codes.width() < widest && free_code >= (1 << codes.width())) {
      codes.set_width(codes.width() + 1);
    }
    const std::optional<int> code = codes.next();
    if (!code) {
      return text;
    }
    if (*code == clear_code) {
      codes.set_width(narrowest);
      free_code = first_free_code;
      previous = -1;
      continue;
    }
    // The one code that may be used before it is known: the previous word and its own first letter.
    const bool is_being_made = previous >= 0 && *code == free_code;
    require_input(*code < clear_code || (*code > clear_code && *code < free_code) || is_being_made,
                  "a compressed text is damaged");
    word.clear();
    for (int part = is_being_made ? previous : *code;; part = entries[static_cast<std::size_t>(part)].prefix) {
      if (part < clear_code) {
        word += static_cast<char>(part);
        break;
      }
      word += entries[static_cast<std::size_t>(part)].last;
    }
    const char first = word.back();
    text.append(word.rbegin(), word.rend());
    if (is_being_made) {
      text += first;
    }
    if (previous >= 0 && free_code < static_cast<int>(entries.size())) {
      entries[static_cast<std::size_t>(free_code)] = {.prefix = previous, .last = first};
      ++free_code;
    }
    previous = *code;
  }
}

}  // namespace ringworld
