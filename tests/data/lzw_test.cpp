#include "data/lzw.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

/// Nine-bit codes, lowest bit first.
std::vector<unsigned char> pack_codes(const std::vector<unsigned>& codes) {
  std::vector<unsigned char> bytes((codes.size() * 9 + 7) / 8);
  for (std::size_t index = 0; index < codes.size(); ++index) {
    for (std::size_t bit = 0; bit < 9; ++bit) {
      const std::size_t position = 9 * index + bit;
      bytes[position / 8] |= static_cast<unsigned char>((codes[index] >> bit & 1U) << (position % 8));
    }
  }
  return bytes;
}

TEST(Lzw, ReadsLettersEntriesAndTheEntryInTheMaking) {
  // "a", "b", 257 = "ab", 259 = "aba" while it is being made.
  EXPECT_EQ(decompress_lzw(pack_codes({'a', 'b', 257, 259})), "abababa");
}

TEST(Lzw, ForgetsEverythingAtAClearCode) {
  // The clear code ends a group of eight codes: what is left of the group is padding.
  EXPECT_EQ(decompress_lzw(pack_codes({'a', 'b', 257, 256, 0, 0, 0, 0, 'c', 'd', 257})), "ababcdcd");
}

TEST(Lzw, OfNothingIsNothing) { EXPECT_EQ(decompress_lzw({}), ""); }

TEST(Lzw, RefusesACodeThatCannotBe) {
  expect_error(ErrorKind::bad_input, [] { (void)decompress_lzw(pack_codes({'a', 300})); }, {"damaged"});
  expect_error(ErrorKind::bad_input, [] { (void)decompress_lzw(pack_codes({257})); }, {"damaged"});
}

}  // namespace
}  // namespace ringworld::test
