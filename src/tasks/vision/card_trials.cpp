#include "tasks/vision/card_trials.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "core/error.hpp"

namespace ringworld {
namespace {

enum class TrialKind : std::uint64_t { image, clip, needle };

constexpr std::array<std::string_view, 4> image_parts{"colour", "digit", "row", "column"};
constexpr std::array<std::string_view, 4> clip_parts{"colour", "digit", "verb", "direction"};

/// Appends a text, and the tokens that each of its words has in it.
void append_words(const VisionFormat& format, const std::string& text, std::span<const std::string_view> parts,
                  VisionDocument& document, std::vector<AskedWord>& asked) {
  const std::int64_t begin = std::ssize(document.tokens);
  std::int64_t taken = 0;
  std::size_t end_of_word = 0;
  for (const std::string_view part : parts) {
    end_of_word = std::min(text.find(' ', end_of_word + 1), text.size());
    const std::int64_t tokens = std::ssize(format.tokenizer().encode(text.substr(0, end_of_word)));
    require(tokens > taken, "a word of a caption has no token");
    asked.push_back({.part = part, .begin = begin + taken, .length = tokens - taken});
    taken = tokens;
  }
  format.append_text(document, text, true);
  require(std::ssize(document.tokens) == begin + taken, "a caption with other words than its parts");
}

CardTrial caption_trial(const VisionFormat& format, CardBank& bank, std::vector<CardFrame> frames,
                        const std::string& caption, std::span<const std::string_view> parts) {
  CardTrial trial{.tokens = {}, .asked = {}, .frames = std::move(frames), .question = {}, .answer = caption};
  VisionDocument document;
  format.append_bos(document);
  format.append_vision(document, bank.codes(trial.frames), false);
  append_words(format, caption, parts, document, trial.asked);
  trial.tokens = std::move(document.tokens);
  return trial;
}

DrawStream caption_draws(std::uint64_t seed, TrialKind kind, CardSplit split, std::int64_t index) {
  return {seed,
          DrawPurpose::card_trial,
          {static_cast<std::uint64_t>(kind), static_cast<std::uint64_t>(split), static_cast<std::uint64_t>(index)}};
}

}  // namespace

CardFrame draw_trial_frame(const CardWorld& world, CardSplit split, std::uint64_t seed, std::int64_t index) {
  DrawStream draws = caption_draws(seed, TrialKind::image, split, index);
  return world.draw_frame(split, draws, 0);
}

CardClip draw_trial_clip(const CardWorld& world, CardSplit split, std::uint64_t seed, std::int64_t index) {
  DrawStream draws = caption_draws(seed, TrialKind::clip, split, index);
  return world.draw_clip(split, draws, 0);
}

CardTrial draw_image_trial(const VisionFormat& format, CardBank& bank, CardSplit split, std::uint64_t seed,
                           std::int64_t index) {
  const CardFrame frame = draw_trial_frame(bank.world(), split, seed, index);
  return caption_trial(format, bank, {frame}, image_caption(frame), image_parts);
}

CardTrial draw_clip_trial(const VisionFormat& format, CardBank& bank, CardSplit split, std::uint64_t seed,
                          std::int64_t index) {
  const CardClip clip = draw_trial_clip(bank.world(), split, seed, index);
  return caption_trial(format, bank, frames_of(clip), clip_caption(clip), clip_parts);
}

CardTrial draw_needle_trial(const VisionFormat& format, CardBank& bank, CardSplit split, const VideoNeedleCell& cell,
                            std::int64_t index) {
  require_input(cell.asked >= 1 && cell.asked <= cell.planted,
                fmt::format("{} needles asked for of {} in a video", cell.asked, cell.planted));
  const std::uint64_t depth = cell.depth.has_value() ? std::bit_cast<std::uint64_t>(*cell.depth) : ~std::uint64_t{0};
  DrawStream draws(cell.seed, DrawPurpose::card_trial,
                   {static_cast<std::uint64_t>(TrialKind::needle), static_cast<std::uint64_t>(split),
                    static_cast<std::uint64_t>(index), static_cast<std::uint64_t>(cell.frames),
                    static_cast<std::uint64_t>(cell.planted), static_cast<std::uint64_t>(cell.asked), depth});
  const NeedleVideo video = bank.world().draw_needle_video(
      {.split = split, .frames = cell.frames, .needles = cell.planted, .depth = cell.depth}, draws);
  CardTrial trial;
  VisionDocument document;
  format.append_bos(document);
  format.append_vision(document, bank.codes(video.frames), false);
  std::vector<std::string> questions;
  std::vector<std::string> answers;
  std::vector<std::int64_t> order = draw_distinct(cell.planted, cell.planted, draws);
  order.resize(static_cast<std::size_t>(cell.asked));
  for (const std::int64_t number : order) {
    const CardNeedle& needle = video.needles[static_cast<std::size_t>(number)];
    questions.push_back(card_question(needle.colour));
    answers.emplace_back(digit_names[static_cast<std::size_t>(needle.digit)]);
    format.append_text(document, questions.back(), false);
    append_words(format, answers.back(), std::array<std::string_view, 1>{"digit"}, document, trial.asked);
    format.append_text(document, ".", false);
    trial.frames.push_back(video.frames[static_cast<std::size_t>(needle.frame)]);
  }
  trial.tokens = std::move(document.tokens);
  trial.question = fmt::format("{}", fmt::join(questions, ", "));
  trial.answer = fmt::format("{}", fmt::join(answers, " "));
  return trial;
}

bool CardAnswer::is_all_right() const { return std::ranges::find(is_right, false) == is_right.end(); }

std::string CardAnswer::text() const { return fmt::format("{}", fmt::join(words, " ")); }

std::vector<CardAnswer> answer_card_trials(std::span<const CardTrial> trials, const Tokenizer& tokenizer,
                                           std::int64_t context_length, const NextTokenPredictor& model) {
  std::vector<Token> tokens;
  std::vector<TokenPlace> places;
  for (std::size_t row = 0; row < trials.size(); ++row) {
    const CardTrial& trial = trials[row];
    require(!trial.tokens.empty() && std::ssize(trial.tokens) <= context_length, "a trial longer than its row");
    tokens.insert(tokens.end(), trial.tokens.begin(), trial.tokens.end());
    tokens.resize((row + 1) * static_cast<std::size_t>(context_length), trial.tokens.back());
    for (const AskedWord& word : trial.asked) {
      for (std::int64_t token = 0; token < word.length; ++token) {
        places.push_back({.row = static_cast<std::int64_t>(row), .position = word.begin + token});
      }
    }
  }
  const std::vector<NextToken> predictions = model(tokens, places);
  std::vector<CardAnswer> answers;
  auto next = predictions.begin();
  for (const CardTrial& trial : trials) {
    CardAnswer& answer = answers.emplace_back();
    for (const AskedWord& word : trial.asked) {
      std::vector<Token> said;
      bool is_right = true;
      for (std::int64_t token = 0; token < word.length; ++token, ++next) {
        said.push_back(next->likeliest);
        is_right = is_right && next->likeliest == trial.tokens[static_cast<std::size_t>(word.begin + token)];
        answer.nll += next->nll;
        answer.is_finite = answer.is_finite && std::isfinite(next->nll);
      }
      answer.words.push_back(tokenizer.decode(said));
      answer.is_right.push_back(is_right);
    }
  }
  return answers;
}

}  // namespace ringworld
