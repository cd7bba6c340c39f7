#include "core/text_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "core/utf8.hpp"
#include "io/temporary_directory.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

using namespace std::string_view_literals;

TEST(PlainText, HasNoMarkAndLineFeedsAlone) {
  EXPECT_EQ(plain_text("\xef\xbb\xbf"
                       "a\r\nb\rc\r",
                       "text"),
            "a\nb\nc\n");
  EXPECT_EQ(plain_text("gr\xc3\xbc\xc3\x9f"
                       "e \xf0\x9f\x98\x80",
                       "text"),
            "gr\xc3\xbc\xc3\x9f"
            "e \xf0\x9f\x98\x80");
  EXPECT_EQ(plain_text("", "text"), "");
}

TEST(PlainText, SaysHowToConvertAnotherEncoding) {
  const auto refuses = [](std::string_view bytes, std::initializer_list<std::string_view> says) {
    expect_error(ErrorKind::bad_input, [&] { (void)plain_text(bytes, "'t'"); }, says);
  };
  refuses(
      "\xff\xfe"
      "a\0b\0"sv,
      {"'t' is UTF-16 text", "iconv -f UTF-16 -t UTF-8"});
  refuses("\xfe\xff\0a\0b"sv, {"UTF-16 text"});
  refuses("\xff\xfe\0\0a\0\0\0"sv, {"UTF-32 text"});
  refuses("\0\0\xfe\xff\0\0\0a"sv, {"UTF-32 text"});
  refuses("a\0b\0"sv, {"UTF-16LE"});
  refuses("\0a\0b"sv, {"UTF-16BE"});
  refuses("a\0\0\0b\0\0\0"sv, {"UTF-32LE"});
  refuses("\0\0\0a\0\0\0b"sv, {"UTF-32BE"});
  refuses("abcdefgh\0"sv, {"zero at byte 8", "no text"});
  refuses(
      "\xef\xbb\xbf"
      "a\xe4",
      {"byte 4 is 0xe4", "iconv -f ISO-8859-1"});
}

TEST(Utf8, RefusesWhatIsNotWellFormed) {
  for (const std::string_view bytes : {"\x80"sv, "\xc3"sv, "\xc0\xaf"sv, "\xe0\x80\xaf"sv, "\xed\xa0\x80"sv,
                                       "\xf4\x90\x80\x80"sv, "\xf8\x88\x80\x80\x80"sv, "\xe2\x82"sv}) {
    EXPECT_EQ(find_malformed(bytes), 0U);
  }
  EXPECT_EQ(find_malformed("ab\xff"), 2U);
}

TEST(Utf8, EveryCharacterIsWhatItWasWrittenAs) {
  for (char32_t code = 0; code <= 0x10ffff; code += code < 0x3000 ? 1 : 97) {
    if (code >= 0xd800 && code <= 0xdfff) {
      continue;
    }
    std::string text;
    append_utf8(text, code);
    const auto read = first_character(text + "x");
    ASSERT_TRUE(read.has_value()) << static_cast<unsigned>(code);
    ASSERT_EQ(read->code, code);
    ASSERT_EQ(read->bytes, text.size());
  }
}

TEST(Utf8, CapitalsHaveSmallLetters) {
  const std::u32string capitals = U"AZ\u00c4\u00d8\u0100\u0139\u0178\u0179\u0391\u03a9\u0401\u0416\u0531\u1e9e\u1ea0";
  const std::u32string small = U"az\u00e4\u00f8\u0101\u013a\u00ff\u017a\u03b1\u03c9\u0451\u0436\u0561\u00df\u1ea1";
  for (std::size_t i = 0; i < capitals.size(); ++i) {
    EXPECT_EQ(to_small(capitals[i]), small[i]) << i;
    EXPECT_EQ(to_small(small[i]), small[i]) << i;
  }
}

TEST(ReadTextFile, RefusesAPipeInPlaceOfWaitingForIt) {
  const TemporaryDirectory directory;
  const std::filesystem::path pipe = directory / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  expect_error(ErrorKind::bad_input, [&] { (void)read_text_file(pipe); }, {pipe.string(), "not a regular file"});
}

TEST(ReadTextFile, NamesAFileThatIsEmptyOrMissing) {
  const TemporaryDirectory directory;
  write_text(directory / "mark.txt", "\xef\xbb\xbf");
  expect_error(ErrorKind::bad_input, [&] { (void)read_text_file(directory / "mark.txt"); }, {"mark.txt", "empty"});
  expect_error(ErrorKind::bad_input, [&] { (void)read_text_file(directory / "none.txt"); }, {"none.txt", "no such"});
}

}  // namespace
}  // namespace ringworld::test
