#include "tasks/vision/card_trials.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "support/expect_error.hpp"
#include "tasks/vision/vision_world.hpp"
#include "tokens/byte_tokenizer.hpp"

namespace ringworld::test {
namespace {

constexpr auto held_out = CardSplit::evaluation;

std::string text_of(const VisionFormat& format, const CardTrial& trial, const AskedWord& word) {
  return format.tokenizer().decode(
      std::span(trial.tokens).subspan(static_cast<std::size_t>(word.begin), static_cast<std::size_t>(word.length)));
}

/// A model that says the right token, but for the places where it is told to say `wrong`.
NextTokenPredictor answers_with(Token wrong, std::set<std::int64_t> wrong_positions, std::int64_t length) {
  return [=](std::span<const Token> tokens, std::span<const TokenPlace> places) {
    std::vector<NextToken> answers;
    for (const TokenPlace& place : places) {
      const bool is_wrong = wrong_positions.contains(place.position);
      answers.push_back(
          {.likeliest = is_wrong ? wrong : tokens[static_cast<std::size_t>(place.row * length + place.position)],
           .nll = 1});
    }
    return answers;
  };
}

TEST(CardTrials, AskForTheWordsOfAnImagesCaption) {
  VisionWorld& world = vision_world();
  const VisionFormat format = world.format();
  const CardTrial trial = draw_image_trial(format, world.bank, held_out, 5, 3);
  ASSERT_EQ(trial.tokens.size(), 1U + 1 + 17 + 1 + 4);
  ASSERT_EQ(trial.frames.size(), 1U);
  EXPECT_EQ(trial.answer, image_caption(trial.frames.front()));
  EXPECT_EQ(trial.frames.front(), draw_trial_frame(world.cards, held_out, 5, 3));
  const CardFrame& frame = trial.frames.front();
  EXPECT_EQ(frame.object.kind, CardKind::digit);
  ASSERT_EQ(trial.asked.size(), 4U);
  EXPECT_EQ(trial.asked[0].part, "colour");
  EXPECT_EQ(text_of(format, trial, trial.asked[0]), colour_names[static_cast<std::size_t>(frame.object.colour)]);
  EXPECT_EQ(text_of(format, trial, trial.asked[1]), digit_names[static_cast<std::size_t>(frame.object.name)]);
  EXPECT_EQ(text_of(format, trial, trial.asked[2]), row_names[static_cast<std::size_t>(frame.cell / 3)]);
  EXPECT_EQ(text_of(format, trial, trial.asked[3]), column_names[static_cast<std::size_t>(frame.cell % 3)]);
}

TEST(CardTrials, AskForTheWordsOfAClipsCaption) {
  VisionWorld& world = vision_world();
  const VisionFormat format = world.format();
  const CardTrial trial = draw_clip_trial(format, world.bank, held_out, 5, 3);
  const CardClip clip = draw_trial_clip(world.cards, held_out, 5, 3);
  EXPECT_EQ(trial.tokens.size(), 1U + 1 + 3 * 17 + 1 + 4);
  EXPECT_EQ(trial.frames, frames_of(clip));
  EXPECT_EQ(trial.answer, clip_caption(clip));
  EXPECT_EQ(trial.asked[2].part, "verb");
  EXPECT_EQ(text_of(format, trial, trial.asked[2]), "moves");
  EXPECT_EQ(text_of(format, trial, trial.asked[3]), direction_names[static_cast<std::size_t>(clip.direction)]);
}

TEST(CardTrials, HoldWholeWordsOfAnyTokenizer) {
  VisionWorld& world = vision_world();
  const ByteTokenizer bytes;
  const VisionFormat format(bytes, vision_vocabulary(bytes.vocab_size(), 256), 16, 256);
  const CardTrial trial = draw_clip_trial(format, world.bank, held_out, 5, 3);
  std::string joined;
  for (const AskedWord& word : trial.asked) {
    joined += text_of(format, trial, word);
  }
  EXPECT_EQ(joined, trial.answer);
  EXPECT_EQ(text_of(format, trial, trial.asked[2]), " moves");
}

TEST(CardTrials, AreAPureFunctionOfTheirIndex) {
  VisionWorld& world = vision_world();
  const VisionFormat format = world.format();
  std::set<std::vector<Token>> different;
  for (const std::int64_t index : {0, 1, 2, 1}) {
    different.insert(draw_image_trial(format, world.bank, held_out, 5, index).tokens);
  }
  EXPECT_EQ(different.size(), 3U);
  EXPECT_NE(draw_image_trial(format, world.bank, held_out, 6, 0).tokens,
            draw_image_trial(format, world.bank, held_out, 5, 0).tokens);
}

TEST(CardTrials, AskForTheDigitsOfNeedles) {
  VisionWorld& world = vision_world();
  const VisionFormat format = world.format();
  const VideoNeedleCell cell{.frames = 12, .planted = 5, .asked = 3, .seed = 2};
  const CardTrial trial = draw_needle_trial(format, world.bank, held_out, cell, 0);
  EXPECT_EQ(std::ssize(trial.tokens), 1 + format.vision_length(12) + 3 * 6);
  ASSERT_EQ(trial.asked.size(), 3U);
  ASSERT_EQ(trial.frames.size(), 3U);
  std::set<std::int64_t> colours;
  for (std::size_t question = 0; question < 3; ++question) {
    const CardObject& object = trial.frames[question].object;
    const AskedWord& word = trial.asked[question];
    EXPECT_EQ(text_of(format, trial, word), digit_names[static_cast<std::size_t>(object.name)]);
    const AskedWord before{.part = "question", .begin = word.begin - 4, .length = 4};
    EXPECT_EQ(text_of(format, trial, before), card_question(object.colour));
    EXPECT_EQ(text_of(format, trial, {.part = "stop", .begin = word.begin + 1, .length = 1}), ".");
    colours.insert(object.colour);
    EXPECT_EQ(object.split, held_out);
  }
  EXPECT_EQ(colours.size(), 3U);
}

TEST(CardTrials, PutASingleNeedleWhereTheCellSays) {
  VisionWorld& world = vision_world();
  const VisionFormat format = world.format();
  for (const auto& [depth, frame] : {std::pair{0.0, 0}, {0.5, 10}, {1.0, 20}}) {
    const VideoNeedleCell cell{.frames = 21, .depth = depth, .seed = 2};
    const CardTrial trial = draw_needle_trial(format, world.bank, held_out, cell, 4);
    const std::vector<Token> codes = world.bank.codes(trial.frames);
    // bos and <vision> stand before the first frame, and a marker after each.
    for (std::int64_t code = 0; code < 16; ++code) {
      EXPECT_EQ(format.code_of(trial.tokens[static_cast<std::size_t>(2 + frame * 17 + code)]),
                codes[static_cast<std::size_t>(code)]);
    }
  }
  EXPECT_THROW((void)draw_needle_trial(format, world.bank, held_out, {.frames = 8, .planted = 2, .asked = 3}, 0),
               Error);
}

TEST(CardAnswers, AreRightWordByWord) {
  VisionWorld& world = vision_world();
  const VisionFormat format = world.format();
  const std::vector<CardTrial> trials{draw_image_trial(format, world.bank, held_out, 5, 0),
                                      draw_clip_trial(format, world.bank, held_out, 5, 1)};
  const std::int64_t length = std::ssize(trials[1].tokens) + 3;
  const std::vector<CardAnswer> right =
      answer_card_trials(trials, format.tokenizer(), length, answers_with(0, {}, length));
  ASSERT_EQ(right.size(), 2U);
  EXPECT_TRUE(right[0].is_all_right());
  EXPECT_EQ(right[0].text(), trials[0].answer);
  EXPECT_EQ(right[1].text(), trials[1].answer);
  EXPECT_EQ(right[0].nll, 4);  // one nat a token
  EXPECT_EQ(right[1].nll, 4);

  const Token moves = world.words.token("moves");
  const std::vector<CardAnswer> wrong =
      answer_card_trials(trials, format.tokenizer(), length, answers_with(moves, {trials[0].asked[1].begin}, length));
  EXPECT_FALSE(wrong[0].is_all_right());
  EXPECT_EQ(wrong[0].is_right, (std::vector<bool>{true, false, true, true}));
  EXPECT_EQ(wrong[0].words[1], "moves");
  EXPECT_TRUE(wrong[0].is_finite);
}

TEST(CardAnswers, AWordIsWrongWhenOneOfItsTokensIs) {
  VisionWorld& world = vision_world();
  const ByteTokenizer bytes;
  const VisionFormat format(bytes, vision_vocabulary(bytes.vocab_size(), 256), 16, 256);
  const std::vector<CardTrial> trials{draw_clip_trial(format, world.bank, held_out, 5, 0)};
  const auto length = std::ssize(trials[0].tokens);
  const std::int64_t last_of_verb = trials[0].asked[2].begin + trials[0].asked[2].length - 1;
  const std::vector<CardAnswer> answers =
      answer_card_trials(trials, bytes, length, answers_with(bytes.encode("d").front(), {last_of_verb}, length));
  EXPECT_EQ(answers[0].is_right, (std::vector<bool>{true, true, false, true}));
  EXPECT_EQ(answers[0].words[2], " moved");
}

}  // namespace
}  // namespace ringworld::test
