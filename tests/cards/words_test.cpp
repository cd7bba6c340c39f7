#include "cards/words.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "cards/cards.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

constexpr CardObject written_seven{.name = 7, .glyph = 0};
constexpr CardObject white_ring{.kind = CardKind::shape, .colour = 6, .name = 4, .glyph = 4};

TEST(CardWords, DescribeImagesClipsAndQuestions) {
  EXPECT_EQ(object_caption(white_ring), "white ring");
  EXPECT_EQ(image_caption({.object = written_seven, .cell = 0}), "red seven top left");
  EXPECT_EQ(image_caption({.object = white_ring, .cell = 5}), "white ring centre right");
  EXPECT_EQ(clip_caption({.object = written_seven, .direction = 1}), "red seven moves leftwards");
  EXPECT_EQ(card_question(5), "what digit is cyan");
}

TEST(CardWords, AreEachListedOnce) {
  const std::vector<std::string> words = card_words();
  EXPECT_EQ(std::set<std::string>(words.begin(), words.end()).size(), words.size());
  EXPECT_EQ(words.size(), 4U + 7 + 10 + 6 + 3 + 3 + 4);
}

TEST(CardWords, AreThoseOfEveryCaption) {
  const std::vector<std::string> words = card_words();
  for (const std::string& caption : {image_caption({.object = written_seven, .cell = 4}),
                                     clip_caption({.object = white_ring, .direction = 3}), card_question(0)}) {
    std::size_t begin = 0;
    while (begin < caption.size()) {
      const std::size_t end = std::min(caption.find(' ', begin), caption.size());
      EXPECT_TRUE(std::ranges::count(words, caption.substr(begin, end - begin)) == 1) << caption;
      begin = end + 1;
    }
  }
}

TEST(CardWords, RefuseAnIndexThatHasNone) {
  EXPECT_THROW((void)image_caption({.object = written_seven, .cell = 9}), Error);
  EXPECT_THROW((void)object_caption({.name = 10}), Error);
}

TEST(CardClips, CrossThePictureInTheirDirection) {
  const auto cells = [](std::int64_t direction, std::int64_t lane) {
    const CardClip clip{.object = written_seven, .direction = direction, .lane = lane};
    return std::vector{clip.cell(0), clip.cell(1), clip.cell(2)};
  };
  EXPECT_EQ(cells(0, 1), (std::vector<std::int64_t>{3, 4, 5}));
  EXPECT_EQ(cells(1, 0), (std::vector<std::int64_t>{2, 1, 0}));
  EXPECT_EQ(cells(2, 2), (std::vector<std::int64_t>{2, 5, 8}));
  EXPECT_EQ(cells(3, 0), (std::vector<std::int64_t>{6, 3, 0}));
}

}  // namespace
}  // namespace ringworld::test
