#include "generation/prompt_style.hpp"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "generation/padded_prompts.hpp"
#include "support/expect_error.hpp"
#include "tokens/byte_tokenizer.hpp"

namespace ringworld::test {
namespace {

// Text 0..257 with bos 256 and eos 257; codes 258..277, EOF 278, EOV 279.
constexpr Token bos = 256;
constexpr Token first_code = 258;
constexpr Token end_of_frame = 278;
constexpr Token end_of_vision = 279;

struct World {
  ByteTokenizer tokenizer;
  VisionFormat format{tokenizer, Vocabulary::parse("text:258,vision:22"), 2, 20};
};

/// Pieces one after the other.
class Tokens {
 public:
  Tokens& text(std::string_view bytes) {
    for (const char byte : bytes) {
      tokens_.push_back(static_cast<unsigned char>(byte));
    }
    return *this;
  }
  Tokens& id(Token token) {
    tokens_.push_back(token);
    return *this;
  }
  Tokens& code(Token code) { return id(first_code + code); }
  // NOLINTNEXTLINE(google-explicit-constructor)
  operator std::vector<Token>() const { return tokens_; }

 private:
  std::vector<Token> tokens_;
};

const std::vector<Token> two_frames{3, 4, 5, 6};

TEST(PromptStyle, AQuestionStandsBehindTheVideoAsInTraining) {
  const World world;
  EXPECT_EQ(question_prompt(world.format, PromptStyle::caption, two_frames, "what"),
            std::vector<Token>(Tokens()
                                   .id(bos)
                                   .text("<vision>")
                                   .code(3)
                                   .code(4)
                                   .id(end_of_frame)
                                   .code(5)
                                   .code(6)
                                   .id(end_of_vision)
                                   .text("</vision>what")));
}

TEST(PromptStyle, LwmsQuestionStandsBeforeTheVideo) {
  const World world;
  EXPECT_EQ(question_prompt(world.format, PromptStyle::lwm, std::vector<Token>{3, 4}, "what"),
            std::vector<Token>(Tokens()
                                   .id(bos)
                                   .text("You are a helpful assistant. USER: what\n<vision>")
                                   .code(3)
                                   .code(4)
                                   .id(end_of_vision)
                                   .text("</vision> ASSISTANT:")));
}

TEST(PromptStyle, AFramePromptEndsWhereItsFirstCodeIsDue) {
  const World world;
  EXPECT_EQ(frame_prompt(world.format, PromptStyle::caption, {.caption = "red seven", .given = {}}),
            std::vector<Token>(Tokens().id(bos).text("red seven<vision>")));
  EXPECT_EQ(frame_prompt(world.format, PromptStyle::lwm, {.caption = "a cat", .given = {}}),
            std::vector<Token>(Tokens().id(bos).text(
                "You are a helpful assistant. USER: Generate an image of a cat ASSISTANT:<vision>")));
  EXPECT_EQ(frame_prompt(world.format, PromptStyle::lwm, {.caption = "a cat", .is_video = true, .given = {}}),
            std::vector<Token>(Tokens().id(bos).text(
                "You are a helpful assistant. USER: Generate a video of a cat ASSISTANT:<vision>")));
  EXPECT_EQ(unconditional_prompt(world.format, {}), std::vector<Token>(Tokens().id(bos).text("<vision>")));
}

TEST(PromptStyle, GivenFramesAreFollowedByAnother) {
  const World world;
  const Tokens given = Tokens().id(bos).text("cat<vision>").code(3).code(4).id(end_of_frame).code(5).code(6);
  EXPECT_EQ(frame_prompt(world.format, PromptStyle::caption, {.caption = "cat", .is_video = true, .given = two_frames}),
            std::vector<Token>(Tokens(given).id(end_of_frame)));
  EXPECT_EQ(unconditional_prompt(world.format, std::vector<Token>{3, 4}),
            std::vector<Token>(Tokens().id(bos).text("<vision>").code(3).code(4).id(end_of_frame)));
}

TEST(PromptStyle, TextIsContinuedOrAnswered) {
  const World world;
  EXPECT_EQ(text_prompt(world.tokenizer, PromptStyle::caption, "once"),
            std::vector<Token>(Tokens().id(bos).text("once")));
  EXPECT_EQ(text_prompt(world.tokenizer, PromptStyle::lwm, "why"),
            std::vector<Token>(Tokens().id(bos).text("You are a helpful assistant. USER: why ASSISTANT:")));
}

TEST(PromptStyle, RefusesCodesOfAnotherCodebook) {
  const World world;
  expect_error(ErrorKind::bad_input,
               [&] { (void)question_prompt(world.format, PromptStyle::caption, std::vector<Token>{1, 20}, ""); },
               {"code 20", "codebook of 20"});
  expect_error(ErrorKind::bad_input,
               [&] { (void)question_prompt(world.format, PromptStyle::caption, std::vector<Token>{1}, ""); },
               {"no whole number of frames"});
}

TEST(PaddedPrompts, PaddingStandsAtTheLeft) {
  const std::vector<std::vector<Token>> prompts{{1, 2}, {3, 4, 5, 6}, {7}};
  const PaddedPrompts padded = pad_prompts(prompts);
  EXPECT_EQ(padded.length, 4);
  EXPECT_EQ(padded.padding, (std::vector<std::int64_t>{2, 0, 3}));
  EXPECT_EQ(padded.tokens, (std::vector<Token>{1, 1, 1, 2, 3, 4, 5, 6, 7, 7, 7, 7}));
  EXPECT_TRUE(padded.has_padding());
  EXPECT_FALSE(pad_prompts(std::vector<std::vector<Token>>{{1, 2}, {3, 4}}).has_padding());
  expect_error(ErrorKind::bad_input, [] { (void)pad_prompts({}); }, {"no prompt"});
  expect_error(ErrorKind::bad_input, [] { (void)pad_prompts(std::vector<std::vector<Token>>{{1}, {}}); }, {"no token"});
}

}  // namespace
}  // namespace ringworld::test
