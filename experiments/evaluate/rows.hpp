#pragma once
/// @file  The rows that `ringworld evaluate` records: shares of right answers, needles in videos, held-out text, and the
/// pictures and captions behind them.

#include <array>
#include <cstdint>
#include <limits>
#include <tuple>

#include "io/record_array.hpp"
#include "io/schedule_columns.hpp"

namespace ringworld {

/// Columns of every row: which model was asked, on which data, how it was computed, and how that ended.
struct EvaluationOrigin : ScheduleColumns {
  FixedString<48> stages;
  std::int64_t stage = 0;
  std::int64_t trained_context_length = 0;
  std::int64_t training_seed = 0;
  FixedString<16> split;
  std::int64_t seed = 0;
  std::int64_t ranks = 0;
  FixedString<48> mesh;
  FixedString<16> layout;
  FixedString<16> backend;
  FixedString<16> dtype;
  std::int64_t threads = 1;
  FixedString<160> checkpoint;
  FixedString<24> checkpoint_digest;
  FixedString<160> frame_tokenizer;
  FixedString<24> frame_tokenizer_digest;
  FixedString<24> cards_digest;
  bool valid = false;
  FixedString<16> outcome;
  FixedString<240> reason;
  std::int64_t run = 0;
};

/// A field of a row that it has from EvaluationOrigin.
template <class Row, class Member>
Column origin_column(const char* name, Member EvaluationOrigin::* member, Role role, const char* unit,
                     const char* meaning) {
  return {name, member, role, unit, meaning};
}

template <class Row>
Columns origin_columns() {
  using O = EvaluationOrigin;
  return joined(
      {Columns{
           origin_column<Row>("stages", &O::stages, Role::key, "", "name of the list of stages that trained the model"),
           origin_column<Row>("stage", &O::stage, Role::key, "", "last stage that it was trained in, counted from 0"),
           origin_column<Row>("trained_context_length", &O::trained_context_length, Role::origin, "token",
                              "context of the stage that trained it last"),
           origin_column<Row>("training_seed", &O::training_seed, Role::key, "",
                              "seed that the model was trained with"),
           origin_column<Row>("split", &O::split, Role::key, "",
                              "handwriting that is shown: evaluation, which training never sees, or training"),
           origin_column<Row>("seed", &O::seed, Role::key, "", "seed of the items"),
           origin_column<Row>("ranks", &O::ranks, Role::key, "rank", "ring size (P)"),
           origin_column<Row>("mesh", &O::mesh, Role::key, "", "ranks on the axes dp,fsdp,tp,sp")},
       schedule_columns<Row>(),
       Columns{
           origin_column<Row>("layout", &O::layout, Role::key, "",
                              "which tokens a rank holds: contiguous, striped or zigzag"),
           origin_column<Row>("backend", &O::backend, Role::key, "", "backend whose kernels computed, by name"),
           origin_column<Row>("dtype", &O::dtype, Role::key, "", "type of activations"),
           origin_column<Row>("threads", &O::threads, Role::key, "", "threads of a rank"),
           origin_column<Row>("checkpoint", &O::checkpoint, Role::origin, "", "file of the model, as it was given"),
           origin_column<Row>("checkpoint_digest", &O::checkpoint_digest, Role::key, "",
                              "digest of the model's parameters and tokenizer"),
           origin_column<Row>("frame_tokenizer", &O::frame_tokenizer, Role::origin, "", "file of the frame tokenizer"),
           origin_column<Row>("frame_tokenizer_digest", &O::frame_tokenizer_digest, Role::key, "",
                              "digest of the frame tokenizer's weights"),
           origin_column<Row>("cards_digest", &O::cards_digest, Role::key, "", "digest of the handwriting")}});
}

template <class Row>
Columns verdict_columns() {
  using O = EvaluationOrigin;
  return {origin_column<Row>("valid", &O::valid, Role::verdict, "", "whether all probabilities were numbers"),
          origin_column<Row>("outcome", &O::outcome, Role::verdict, "",
                             "ok, failed_check, not_finite, out_of_memory, timeout, interrupted or bad_input"),
          origin_column<Row>("reason", &O::reason, Role::verdict, "", "why the row is not valid; empty when it is"),
          origin_column<Row>("run", &O::run, Role::origin, "",
                             "0 for the run that started the record, n for the n-th that resumed it (/provenance)")};
}

/// One part of the answers to one kind of question.
struct EvaluationMeasureRow : EvaluationOrigin {
  static constexpr std::string_view path = "/evaluation/measures";
  static constexpr std::string_view meaning =
      "share of right answers, exact match, in one part of one kind of question about cards";

  FixedString<16> task;
  FixedString<16> measure;
  std::int64_t items = 0;
  double temperature = 0;
  std::int64_t top_k = 0;
  double guidance = 1;
  double rope_theta = 0;
  std::int64_t hits = 0;
  std::int64_t trials = 0;
  double wilson_low = 0;
  double wilson_high = 0;
  double chance = 0;
  double ceiling = std::numeric_limits<double>::quiet_NaN();
  double seconds = 0;
  double tokens_per_second = 0;
  std::int64_t peak_bytes = 0;
  std::int64_t planned_bytes = 0;

  static Columns columns() {
    using R = EvaluationMeasureRow;
    return joined(
        {origin_columns<R>(),
         Columns{
             Column{"task", &R::task, Role::key, "",
                    "original: the pixel judge on clean frames; round_trip: on frames that the frame tokenizer encoded "
                    "and decoded; image_text, video_text: the model's captions; text_image, text_video: the judge on "
                    "frames that the model generated"},
             Column{
                 "measure", &R::measure, Role::key, "",
                 "colour, digit, row, column, cell, direction: that word or property; every_step: all moves of a clip "
                 "go one cell in its direction; net_direction: the last frame against the first; all: everything"},
             Column{"items", &R::items, Role::key, "", "images or clips"},
             Column{"temperature", &R::temperature, Role::key, "1",
                    "of the draws that generated frames; 0: the likeliest code"},
             Column{"top_k", &R::top_k, Role::key, "", "codes that may be drawn; 0: all"},
             Column{"guidance", &R::guidance, Role::key, "1", "scale of guidance away from no caption; 1: none"},
             Column{"rope_theta", &R::rope_theta, Role::key, "1", "base of the rotary angles: that of the last stage"},
             Column{"hits", &R::hits, Role::measure, "", "right answers"},
             Column{"trials", &R::trials, Role::measure, "",
                    "answers; of a clip's colour and digit one a frame, else one an item"},
             Column{"wilson_low", &R::wilson_low, Role::measure, "1",
                    "lower end of the 95 % Wilson interval of hits / trials"},
             Column{"wilson_high", &R::wilson_high, Role::measure, "1", "upper end of it"},
             Column{"chance", &R::chance, Role::model, "1", "share of hits of blind guesses"},
             Column{
                 "ceiling", &R::ceiling, Role::measure, "1",
                 "share of hits of the pixel judge on the same items, encoded and decoded by the frame tokenizer (of "
                 "round_trip: on the clean frames); NaN: does not apply"},
             Column{"seconds", &R::seconds, Role::measure, "s",
                    "time of the model (of round_trip: of the frame tokenizer) for all items, slowest rank"},
             Column{"tokens_per_second", &R::tokens_per_second, Role::measure, "token/s",
                    "tokens read (captions) or generated, over all items, / seconds"},
             Column{"peak_bytes", &R::peak_bytes, Role::measure, "B",
                    "most memory that a rank held where kernels compute, the frame tokenizer included"},
             Column{"planned_bytes", &R::planned_bytes, Role::model, "B",
                    "the same by plan: what was held before, and what a pass adds to it; 0: not planned"}},
         verdict_columns<R>()});
  }
};

/// One cell of the evaluation of needles in videos.
struct EvaluationNeedleRow : EvaluationOrigin {
  static constexpr std::string_view path = "/evaluation/needles";
  static constexpr std::string_view meaning =
      "digit cards hidden in a video of wandering shapes and asked for at its end, exact match";

  std::int64_t frames = 0;
  std::int64_t context_length = 0;
  double rope_theta = 0;
  FixedString<16> theta_mode;
  std::int64_t log_length = 0;
  FixedString<16> kind;
  double depth = 0;
  std::int64_t needles_planted = 0;
  std::int64_t needles_asked = 0;
  std::int64_t videos = 0;
  std::int64_t hits = 0;
  std::int64_t trials = 0;
  std::int64_t wrong_needle = 0;
  double nll = 0;
  double wilson_low = 0;
  double wilson_high = 0;
  double chance = 0;
  double ceiling = 0;
  double seconds = 0;
  double tokens_per_second = 0;
  std::int64_t peak_bytes = 0;
  std::int64_t planned_bytes = 0;

  static Columns columns() {
    using R = EvaluationNeedleRow;
    return joined(
        {origin_columns<R>(),
         Columns{
             Column{"frames", &R::frames, Role::key, "frame", "of each video; a second has one"},
             Column{"context_length", &R::context_length, Role::measure, "token",
                    "tokens of the longest video with its questions and answers (S)"},
             Column{"rope_theta", &R::rope_theta, Role::key, "1", "base of the rotary angles in this cell"},
             Column{"theta_mode", &R::theta_mode, Role::key, "",
                    "stage: as trained; scaled: with the square of the length beyond the trained one; given: a number"},
             Column{"log_length", &R::log_length, Role::key, "token",
                    "queries from this position on are longer, by log(position + 1) / log(log_length); 0: none is"},
             Column{"kind", &R::kind, Role::key, "",
                    "single: one needle, at a depth; multi: several, or one asked of several"},
             Column{"depth", &R::depth, Role::key, "1",
                    "where the needle stands: 0 = first frame, 1 = last; NaN: anywhere"},
             Column{"needles_planted", &R::needles_planted, Role::key, "",
                    "digit cards in a video, of unequal colours (N)"},
             Column{"needles_asked", &R::needles_asked, Role::key, "", "of them asked for, one after another (R)"},
             Column{"videos", &R::videos, Role::key, "", "videos drawn, each with its own shapes and needles"},
             Column{"hits", &R::hits, Role::measure, "", "right digits"},
             Column{"trials", &R::trials, Role::measure, "", "answers scored: videos * needles_asked"},
             Column{"wrong_needle", &R::wrong_needle, Role::measure, "",
                    "wrong answers that are the digit of another needle that was asked for"},
             Column{"nll", &R::nll, Role::measure, "nat",
                    "mean over the tokens of the digits asked for of -log p(token | tokens before it)"},
             Column{"wilson_low", &R::wilson_low, Role::measure, "1",
                    "lower end of the 95 % Wilson interval of hits / trials"},
             Column{"wilson_high", &R::wilson_high, Role::measure, "1",
                    "upper end of it; answers of one video count as independent"},
             Column{"chance", &R::chance, Role::model, "1", "share of hits of blind guesses"},
             Column{"ceiling", &R::ceiling, Role::measure, "1",
                    "share of the same digits that the pixel judge reads from their frames, encoded and decoded by the "
                    "frame tokenizer"},
             Column{"seconds", &R::seconds, Role::measure, "s", "time of the model for the cell, slowest rank"},
             Column{"tokens_per_second", &R::tokens_per_second, Role::measure, "token/s",
                    "videos * context_length / seconds"},
             Column{"peak_bytes", &R::peak_bytes, Role::measure, "B",
                    "most memory that a rank held where kernels compute, the frame tokenizer included"},
             Column{"planned_bytes", &R::planned_bytes, Role::model, "B",
                    "the same by plan: what was held before, and what a pass adds to it"}},
         verdict_columns<R>()});
  }
};

/// Held-out text: what the model still knows of it beside images and videos.
struct EvaluationTextRow : EvaluationOrigin {
  static constexpr std::string_view path = "/evaluation/text";
  static constexpr std::string_view meaning = "nll of held-out text";

  std::int64_t windows = 0;
  std::int64_t context_length = 0;
  double rope_theta = 0;
  FixedString<160> haystack;
  FixedString<24> haystack_digest;
  std::int64_t tokens = 0;
  double nll = 0;
  double perplexity = 0;
  double seconds = 0;

  static Columns columns() {
    using R = EvaluationTextRow;
    return joined(
        {origin_columns<R>(),
         Columns{
             Column{"windows", &R::windows, Role::key, "", "windows of held-out text"},
             Column{"context_length", &R::context_length, Role::key, "token", "tokens of a window, bos included"},
             Column{"rope_theta", &R::rope_theta, Role::key, "1", "base of the rotary angles: that of the last stage"},
             Column{"haystack", &R::haystack, Role::origin, "", "text whose held-out part was used, as it was given"},
             Column{"haystack_digest", &R::haystack_digest, Role::key, "", "digest of that text"},
             Column{"tokens", &R::tokens, Role::measure, "token", "tokens predicted"},
             Column{"nll", &R::nll, Role::measure, "nat", "mean over them of -log p(token | tokens before it)"},
             Column{"perplexity", &R::perplexity, Role::measure, "1", "exp(nll)"},
             Column{"seconds", &R::seconds, Role::measure, "s", "time of the windows, slowest rank"}},
         verdict_columns<R>()});
  }
};

/// What the frame tokenizer makes of frames.
struct EvaluationRoundTripRow : EvaluationOrigin {
  static constexpr std::string_view path = "/evaluation/round_trip";
  static constexpr std::string_view meaning = "frames of digits, encoded and decoded by the frame tokenizer";

  std::int64_t frames = 0;
  double psnr = 0;
  std::int64_t codes_used = 0;
  std::int64_t codebook_size = 0;
  double code_perplexity = 0;
  double seconds = 0;

  static Columns columns() {
    using R = EvaluationRoundTripRow;
    return joined(
        {origin_columns<R>(),
         Columns{Column{"frames", &R::frames, Role::key, "frame", "frames with one digit card each"},
                 Column{"psnr", &R::psnr, Role::measure, "dB",
                        "peak signal to noise ratio over all pixels; the peak is the range of a component"},
                 Column{"codes_used", &R::codes_used, Role::measure, "", "codes that occur in these frames"},
                 Column{"codebook_size", &R::codebook_size, Role::origin, "", "codes that there are"},
                 Column{"code_perplexity", &R::code_perplexity, Role::measure, "1",
                        "exp of the entropy of the codes' frequencies"},
                 Column{"seconds", &R::seconds, Role::measure, "s", "time to encode and decode them, on the root"}},
         verdict_columns<R>()});
  }
};

/// A picture or a clip, and what was asked and answered.
struct EvaluationExampleRow : EvaluationOrigin {
  static constexpr std::string_view path = "/evaluation/examples";
  static constexpr std::string_view meaning =
      "one item: its frames, what was asked, what was answered; the first items of each kind";

  FixedString<16> task;
  std::int64_t number = 0;
  double temperature = 0;
  std::int64_t top_k = 0;
  double guidance = 1;
  FixedString<64> asked;
  FixedString<64> answered;
  bool is_right = false;
  std::int64_t side = 0;
  std::int64_t frames = 0;
  std::int64_t first = 0;

  [[nodiscard]] std::int64_t count() const { return frames * side * side * 3; }

  static Columns columns() {
    using R = EvaluationExampleRow;
    return joined(
        {origin_columns<R>(),
         Columns{Column{"task", &R::task, Role::key, "", "as in /evaluation/measures"},
                 Column{"number", &R::number, Role::key, "", "of the item, counted from 0"},
                 Column{"temperature", &R::temperature, Role::key, "1", "as in /evaluation/measures"},
                 Column{"top_k", &R::top_k, Role::key, "", "as in /evaluation/measures"},
                 Column{"guidance", &R::guidance, Role::key, "1", "as in /evaluation/measures"},
                 Column{"asked", &R::asked, Role::measure, "", "the right caption"},
                 Column{"answered", &R::answered, Role::measure, "",
                        "the model's caption; of generated and decoded frames what the pixel judge reads"},
                 Column{"is_right", &R::is_right, Role::measure, "", "whether every part of the answer is right"},
                 Column{"side", &R::side, Role::measure, "pixel", "height and width of a frame"},
                 Column{"frames", &R::frames, Role::measure, "frame",
                        "frames of the item; of round_trip the original and the decoded one"},
                 Column{"first", &R::first, Role::measure, "",
                        "where the frames begin in /evaluation/frames: (frames, side, side, 3), row major"}},
         verdict_columns<R>()});
  }
  static constexpr std::array<RecordArray, 1> arrays() {
    return {{{"/evaluation/frames", ColumnKind::uint8, "1", "red, green and blue of the examples' pixels, 0 to 255"}}};
  }
};

}  // namespace ringworld
