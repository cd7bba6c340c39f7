#include "tokens/vocabulary.hpp"

#include <gtest/gtest.h>

#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

TEST(Vocabulary, OfOneNumberIsText) {
  const Vocabulary vocabulary = 258;
  EXPECT_EQ(vocabulary.size(), 258);
  ASSERT_EQ(vocabulary.parts().size(), 1U);
  EXPECT_EQ(vocabulary.parts().front(), (VocabularyPart{.name = "text", .begin = 0, .size = 258}));
  EXPECT_EQ(Vocabulary::parse("258"), vocabulary);
  EXPECT_EQ(Vocabulary::parse(vocabulary.to_text()), vocabulary);
}

TEST(Vocabulary, LaysItsPartsOneAfterAnother) {
  const Vocabulary lwm = Vocabulary::parse("text:32000,vision:8448");
  EXPECT_EQ(lwm.size(), 40448);
  EXPECT_EQ(lwm.part("vision"), (VocabularyPart{.name = "vision", .begin = 32000, .size = 8448}));
  EXPECT_EQ(lwm.part_of(0), 0U);
  EXPECT_EQ(lwm.part_of(31999), 0U);
  EXPECT_EQ(lwm.part_of(32000), 1U);
  EXPECT_EQ(lwm.part_of(40447), 1U);
  EXPECT_FALSE(lwm.contains(40448));
  EXPECT_FALSE(lwm.contains(-1));
  EXPECT_EQ(lwm.to_text(), "text:32000,vision:8448");
}

TEST(Vocabulary, MovesTheOtherPartsWithTheSizeOfTheFirst) {
  const Vocabulary changed = Vocabulary::parse("text:10,vision:20,sound:30").with_first_part(100);
  EXPECT_EQ(changed.to_text(), "text:100,vision:20,sound:30");
  EXPECT_EQ(changed.part("sound").begin, 120);
}

TEST(Vocabulary, RefusesWhatNamesNoParts) {
  const auto parse = [](const char* text) { return [text] { static_cast<void>(Vocabulary::parse(text)); }; };
  expect_error(ErrorKind::bad_input, parse("text:ten"), {"text:ten", "'ten'"});
  expect_error(ErrorKind::bad_input, parse("text:10,"), {"called ''"});
  expect_error(ErrorKind::bad_input, parse("text:10,Vision:3"), {"'Vision'", "small letters"});
  expect_error(ErrorKind::bad_input, parse("text:10,vision"), {"text:10,vision", "''"});
  expect_error(ErrorKind::bad_input, parse("text:10,vision:0"), {"'vision' is 0"});
  expect_error(ErrorKind::bad_input, parse("text:10,text:1"), {"two parts", "'text'"});
  expect_error(ErrorKind::bad_input, parse("text:2000000000,vision:2000000000"), {"32 bits"});
  expect_error(ErrorKind::bad_input, parse("1e3"), {"'1e3'"});
  expect_error(ErrorKind::bad_input, [] { static_cast<void>(Vocabulary(3).part("visoin")); }, {"visoin", "text"});
}

}  // namespace
}  // namespace ringworld::test
