#pragma once
/// @file  Questions about cards whose right answers are known: captions of images and clips, and digits in long videos.
///
///   image    bos <vision> codes EOV </vision> red seven top left            asked: colour, digit, row, column
///   clip     bos <vision> codes EOF .. EOV </vision> red seven moves leftwards     asked: colour, digit, verb, direction
///   needles  bos <vision> F frames </vision> what digit is red seven . ...  asked: digit, of each question
///
/// A trial holds its right answers. A greedy answer is right in a word iff each of its tokens is the likeliest one after
/// the right tokens before it, so one pass over the trial scores all words.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cards/card_bank.hpp"
#include "eval/next_token.hpp"
#include "tasks/vision/format.hpp"

namespace ringworld {

/// A word of the right answer.
struct AskedWord {
  std::string_view part;    ///< colour, digit, row, column, verb or direction
  std::int64_t begin = 0;   ///< its first token
  std::int64_t length = 0;  ///< its tokens
};

struct CardTrial {
  std::vector<Token> tokens;
  std::vector<AskedWord> asked;
  std::vector<CardFrame> frames;  ///< of the image or clip; of a video, the frame that each question is about
  std::string question;           ///< of a video: "what digit is red"; of a caption empty
  std::string answer;             ///< of all words
};

/// The digit card, or the clip of one, that caption number `index` is about; a pure function of its arguments.
[[nodiscard]] CardFrame draw_trial_frame(const CardWorld& world, CardSplit split, std::uint64_t seed,
                                         std::int64_t index);
[[nodiscard]] CardClip draw_trial_clip(const CardWorld& world, CardSplit split, std::uint64_t seed, std::int64_t index);

/// The image of draw_trial_frame() with its caption.
[[nodiscard]] CardTrial draw_image_trial(const VisionFormat& format, CardBank& bank, CardSplit split,
                                         std::uint64_t seed, std::int64_t index);
/// The clip of draw_trial_clip() with its caption.
[[nodiscard]] CardTrial draw_clip_trial(const VisionFormat& format, CardBank& bank, CardSplit split, std::uint64_t seed,
                                        std::int64_t index);

/// One cell of the evaluation of video needles.
struct VideoNeedleCell {
  std::int64_t frames = 0;
  std::int64_t planted = 1;
  std::int64_t asked = 1;                      ///< of them, in random order
  std::optional<double> depth = std::nullopt;  ///< of a single needle; without it places are random
  std::uint64_t seed = 0;
};

/// Trial `index` of a cell; a pure function of its arguments.
/// @throws ringworld::Error (bad_input) when more needles are asked for than planted, or as draw_needle_video().
[[nodiscard]] CardTrial draw_needle_trial(const VisionFormat& format, CardBank& bank, CardSplit split,
                                          const VideoNeedleCell& cell, std::int64_t index);

/// What a model says in place of the asked words of a trial.
struct CardAnswer {
  std::vector<std::string> words;  ///< of each asked word, as printed
  std::vector<bool> is_right;      ///< of each asked word
  double nll = 0;                  ///< sum over the tokens of all asked words of -log p(token | tokens before it)
  bool is_finite = true;           ///< whether all probabilities were numbers

  [[nodiscard]] bool is_all_right() const;
  /// The words with blanks between them.
  [[nodiscard]] std::string text() const;
};

/// The answers to trials that stand side by side in one pass.
/// @param context_length  tokens of a row, at least those of the longest trial: shorter ones are filled up at their end,
///                        which nothing before it sees
/// Collective over the model's ranks.
[[nodiscard]] std::vector<CardAnswer> answer_card_trials(std::span<const CardTrial> trials, const Tokenizer& tokenizer,
                                                         std::int64_t context_length, const NextTokenPredictor& model);

}  // namespace ringworld
