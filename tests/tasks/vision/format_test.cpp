#include "tasks/vision/format.hpp"

#include <gtest/gtest.h>

#include "support/expect_error.hpp"
#include "tasks/vision/vision_world.hpp"

namespace ringworld::test {
namespace {

constexpr Token bos = 1;
constexpr Token eos = 2;

/// Small frames of LWM's vocabulary: 4 codes each.
class LlamaFormat : public ::testing::Test {
 protected:
  LlamaPieces pieces;
  Vocabulary vocabulary = Vocabulary::parse("text:32000,vision:8448");
  VisionFormat format{pieces, vocabulary, 4, 8192};
};

std::vector<bool> all(std::size_t count, bool value) { return std::vector<bool>(count, value); }

std::vector<bool> operator+(std::vector<bool> first, const std::vector<bool>& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

TEST_F(LlamaFormat, ImageToTextIsLwmsTokenForToken) {
  VisionDocument document;
  format.append_bos(document);
  format.append_vision(document, std::vector<Token>{5, 0, 8191, 7}, false);
  format.append_text(document, "a cat", true);
  format.append_eos(document);
  // An image is one frame, and its marker is EOV, 8193.
  EXPECT_EQ(document.tokens, (std::vector<Token>{bos, 529, 4924, 29958, 32005, 32000, 40191, 32007, 40193, 1533, 4924,
                                                 29958, 263, 6635, eos}));
  EXPECT_EQ(document.is_target, all(12, false) + all(3, true));
}

TEST_F(LlamaFormat, TextToVideoHasLossOnDelimitersCodesAndMarkers) {
  VisionDocument document;
  format.append_bos(document);
  format.append_text(document, "a cat", false);
  format.append_vision(document, std::vector<Token>{1, 2, 3, 4, 5, 6, 7, 8}, true);
  format.append_eos(document);
  // EOF, 8192, after the first frame; EOV after the last, so that </vision> never follows EOF.
  EXPECT_EQ(document.tokens, (std::vector<Token>{bos,   263,   6635,  529,   4924,  29958, 32001, 32002, 32003, 32004,
                                                 40192, 32005, 32006, 32007, 32008, 40193, 1533,  4924,  29958, eos}));
  EXPECT_EQ(document.is_target, all(3, false) + all(17, true));
}

TEST_F(LlamaFormat, NoBosStandsInTheMiddle) {
  VisionDocument document;
  format.append_bos(document);
  format.append_text(document, "what", false);
  format.append_vision(document, std::vector<Token>{1, 2, 3, 4}, false);
  format.append_text(document, "a cat", true);
  EXPECT_EQ(std::ranges::count(document.tokens, bos), 1);
  EXPECT_EQ(document.tokens.front(), bos);
}

TEST_F(LlamaFormat, VisionFieldsAre257TokensAFrameAnd6) {
  const VisionFormat lwm(pieces, vocabulary, 256, 8192);
  EXPECT_EQ(lwm.vision_length(3600), 257 * 3600 + 6);
  VisionDocument document;
  lwm.append_vision(document, std::vector<Token>(2 * 256, 9), true);
  EXPECT_EQ(std::ssize(document.tokens), lwm.vision_length(2));
}

TEST_F(LlamaFormat, TheModalityOfATokenIsThePartThatHoldsIt) {
  VisionDocument document;
  format.append_vision(document, std::vector<Token>{1, 2, 3, 4}, true);
  std::vector<bool> is_vision;
  for (const Token token : document.tokens) {
    is_vision.push_back(vocabulary.part_of(token) == 1);
  }
  // 1 on codes and on the marker, 0 on the six pieces of the delimiters.
  EXPECT_EQ(is_vision, all(3, false) + all(5, true) + all(3, false));
}

TEST_F(LlamaFormat, RefusesWhatIsNoWholeFrame) {
  VisionDocument document;
  expect_error(ErrorKind::bad_input, [&] { format.append_vision(document, std::vector<Token>{1, 2, 3, 4, 5}, true); },
               {"5 codes", "whole number of frames of 4"});
  expect_error(ErrorKind::bad_input, [&] { format.append_vision(document, {}, true); }, {"no frame"});
}

TEST_F(LlamaFormat, RefusesMarkersAndUnusedRowsAsCodes) {
  for (const Token code : {8192, 8193, 8447, -1}) {
    VisionDocument document;
    expect_error(ErrorKind::bad_input, [&] { format.append_vision(document, std::vector<Token>{1, 2, 3, code}, true); },
                 {"codebook of 8192", "another frame tokenizer"});
  }
  EXPECT_TRUE(format.is_code(40191));
  EXPECT_FALSE(format.is_code(format.end_of_frame()));
  EXPECT_FALSE(format.is_code(31999));
}

TEST(VisionFormat, NeedsAPartThatHoldsCodesAndMarkers) {
  const LlamaPieces pieces;
  expect_error(ErrorKind::bad_input, [&] { VisionFormat(pieces, Vocabulary(32000), 4, 16); }, {"vision"});
  expect_error(ErrorKind::bad_input, [&] { VisionFormat(pieces, Vocabulary::parse("text:32000,vision:17"), 4, 16); },
               {"17 tokens", "need 18"});
}

TEST(VisionFormat, AWordVocabularyHasOneTokenADelimiter) {
  const VisionWorld& world = vision_world();
  const VisionFormat format = world.format();
  const Token begin = static_cast<Token>(world.words.vocab_size());
  VisionDocument document;
  format.append_bos(document);
  format.append_vision(document, std::vector<Token>(16, 3), false);
  format.append_text(document, "red seven top left", true);
  format.append_eos(document);
  std::vector<Token> expected{*world.words.bos(), world.words.token("<vision>")};
  expected.insert(expected.end(), 16, begin + 3);
  for (const Token token :
       {begin + 257, world.words.token("</vision>"), world.words.token("red"), world.words.token("seven"),
        world.words.token("top"), world.words.token("left"), world.words.token("<eos>")}) {
    expected.push_back(token);
  }
  EXPECT_EQ(document.tokens, expected);
  EXPECT_EQ(document.tokens.size(), 25U);
}

TEST(VisionFormat, ATextThatSpellsADelimiterIsNone) {
  const VisionWorld& world = vision_world();
  for (const Token token : world.words.encode("<vision> </vision> <eos>")) {
    EXPECT_NE(token, world.words.token("<vision>"));
    EXPECT_NE(token, world.words.token("</vision>"));
    EXPECT_NE(token, *world.words.eos());
  }
}

}  // namespace
}  // namespace ringworld::test
