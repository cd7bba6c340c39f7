#include "tasks/needle/format.hpp"

#include <gtest/gtest.h>

#include "data/small_world.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

TEST(NeedleFormat, WritesBothTemplates) {
  const WordTokenizer& words = small_world().words;
  const NeedleFact fact{.key = words.token("Paris:"), .value = {words.token("42"), words.token("07")}};
  const NeedleFormat short1(words, NeedleTemplate::short1);
  const NeedleFormat long1(words, NeedleTemplate::long1);
  EXPECT_EQ(words.decode(short1.needle(fact)), "magic Paris: 42 07 .");
  EXPECT_EQ(words.decode(long1.needle(fact)), "the magic number for Paris: 42 07 .");
  EXPECT_EQ(short1.needle_length(), 5);
  EXPECT_EQ(short1.question_length(), 6);
  EXPECT_EQ(long1.needle_length(), 8);
  EXPECT_EQ(long1.question_length(), 10);

  const std::vector<Token> hay = words.encode("is for is");
  const NeedlePlan plan{.facts = {fact}, .places = {2}, .asked = {0}};
  const NeedleDocument document = long1.write(plan, hay);
  EXPECT_EQ(words.decode(document.tokens),
            "<bos> is for the magic number for Paris: 42 07 . is what is the magic number for Paris: 42 07 .");
  EXPECT_EQ(document.needle_begins, (std::vector<std::int64_t>{3}));
  EXPECT_EQ(document.answer_begins, (std::vector<std::int64_t>{19}));
}

TEST(NeedleFormat, DrawsDistinctKeysAndAllValues) {
  const WordTokenizer& words = small_world().words;
  const NeedleFormat format(words, NeedleTemplate::short1);
  DrawStream draws(1, DrawPurpose::needle_sequence, {});
  std::vector<int> times(100);
  for (int repeat = 0; repeat < 100; ++repeat) {
    const auto facts = format.draw_facts(words.keys(), draws);
    std::vector<bool> used(static_cast<std::size_t>(words.keys()));
    for (const NeedleFact& fact : facts) {
      const auto key = static_cast<std::size_t>(fact.key - words.key(0));
      ASSERT_TRUE(words.is_key(fact.key) && !used[key]);
      used[key] = true;
      for (const Token value : fact.value) {
        ASSERT_TRUE(words.is_value(value));
        ++times[static_cast<std::size_t>(value - words.value(0))];
      }
    }
  }
  for (const int count : times) {
    EXPECT_NEAR(count, 256, 80) << "five standard deviations";
  }
}

TEST(NeedleTemplate, IsReadByName) {
  EXPECT_EQ(parse_enumerator<NeedleTemplate>("long1"), NeedleTemplate::long1);
  expect_error(ErrorKind::bad_input, [] { (void)parse_enumerator<NeedleTemplate>("long2"); },
               {"long2", "did you mean 'long1'"});
}

}  // namespace
}  // namespace ringworld::test
