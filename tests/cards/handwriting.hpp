#pragma once
/// @file  Handwriting for tests: the real digits, and a few lines that need no file of another project.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "cards/cards.hpp"

/// Ends the test when the digits were not brought to the build (scripts/make_digits_csv.sh).
#define RINGWORLD_NEEDS_DIGITS()                                      \
  if (!std::filesystem::exists(RINGWORLD_DIGITS_CSV)) {               \
    GTEST_SKIP() << "needs the digits of scripts/make_digits_csv.sh"; \
  }

namespace ringworld::test {

/// A file that is gone with the object.
class TextFile {
 public:
  explicit TextFile(const std::string& text)
      : path_(std::filesystem::temp_directory_path() / fmt::format("ringworld_cards_{}_{}.csv", ::getpid(), next_++)) {
    std::ofstream(path_) << text;
  }
  TextFile(const TextFile&) = delete;
  TextFile& operator=(const TextFile&) = delete;
  ~TextFile() { std::filesystem::remove(path_); }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  static inline int next_ = 0;
  std::filesystem::path path_;
};

/// `lines` digits in the form of digits.csv: line l shows the digit l % 10, a stroke in row l % 8 and a dot of l % 17.
inline std::string handwritten_lines(std::int64_t lines) {
  std::string text;
  for (std::int64_t line = 0; line < lines; ++line) {
    for (std::int64_t pixel = 0; pixel < 64; ++pixel) {
      text += fmt::format("{},", pixel == 35 ? line % 17 : (pixel / 8 == line % 8 ? 16 : 0));
    }
    text += fmt::format("{}\n", line % 10);
  }
  return text;
}

/// A world of thirty such lines: 25 of them are to train on, 5 held out.
inline CardWorld small_world(const CardWorldOptions& options = {}) {
  const TextFile file(handwritten_lines(30));
  return {file.path(), options};
}

}  // namespace ringworld::test
