#include "experiments/evaluate/measure.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "device/buffer.hpp"
#include "eval/perplexity.hpp"
#include "generation/prompt_style.hpp"

namespace ringworld {
namespace {

/// Components of pixels in [-1, 1] as bytes.
std::vector<std::uint8_t> bytes_of(std::span<const float> pixels) {
  constexpr float half = 127.5F;
  std::vector<std::uint8_t> bytes;
  std::ranges::transform(pixels, std::back_inserter(bytes), [](float pixel) {
    return static_cast<std::uint8_t>(std::lround((std::clamp(pixel, -1.0F, 1.0F) + 1) * half));
  });
  return bytes;
}

/// What the judge says in the words of a caption.
std::string words_of(const CaptionReading& reading, bool is_clip) {
  const CardObject object{.colour = reading.colour, .name = reading.digit};
  if (!is_clip) {
    return image_caption({.object = object, .cell = reading.cell});
  }
  return reading.direction < 0 ? fmt::format("{} does not move", object_caption(object))
                               : clip_caption({.object = object, .direction = reading.direction});
}

/// Answers that a reader of the frames would give to a trial, by part.
bool is_read_right(const AskedWord& word, const CardTrial& trial, const CaptionReading& reading,
                   std::int64_t direction) {
  const CardFrame& first = trial.frames.front();
  if (word.part == "colour") {
    return reading.colour == first.object.colour;
  }
  if (word.part == "digit") {
    return reading.digit == first.object.name;
  }
  if (word.part == "row") {
    return reading.cell / card_cells_per_side == first.cell / card_cells_per_side;
  }
  if (word.part == "column") {
    return reading.cell % card_cells_per_side == first.cell % card_cells_per_side;
  }
  return word.part != "direction" || reading.direction == direction;
}

/// The word of a caption that each trial has, whatever it shows.
constexpr std::string_view unscored_part = "verb";

/// Answers of a model to trials, side by side as far as tokens_per_pass permits.
std::vector<CardAnswer> answer_all(EvaluatedModel& model, std::span<const CardTrial> trials, double theta,
                                   Measured& measured, std::int64_t log_length = 0) {
  const auto longest = [](const CardTrial& a, const CardTrial& b) { return a.tokens.size() < b.tokens.size(); };
  measured.context_length = std::ssize(std::ranges::max_element(trials, longest)->tokens);
  const std::int64_t batch = model.rows_per_pass(measured.context_length, std::ssize(trials));
  const DeviceKind memory = device_of(model.options().backend);
  const NextTokenPredictor predict = model.predictor(measured.context_length, batch, theta, log_length);
  reset_high_water(memory);
  model.world().barrier();
  const double start = now_seconds();
  std::vector<CardAnswer> answers;
  for (std::size_t begin = 0; begin < trials.size(); begin += static_cast<std::size_t>(batch)) {
    const std::size_t rows = std::min(static_cast<std::size_t>(batch), trials.size() - begin);
    std::vector<CardAnswer> of_pass =
        answer_card_trials(trials.subspan(begin, rows), model.trained().tokenizer(), measured.context_length, predict);
    std::ranges::move(of_pass, std::back_inserter(answers));
  }
  measured.seconds = model.world().all_reduce(now_seconds() - start, Reduction::max);
  measured.tokens = measured.context_length * std::ssize(trials);
  measured.peak_bytes = model.world().all_reduce(memory_account(memory).high_water, Reduction::max);
  measured.planned_bytes = model.world().all_reduce(model.planned_bytes(), Reduction::max);
  measured.is_finite = std::ranges::all_of(answers, &CardAnswer::is_finite);
  std::int64_t asked = 0;
  for (const CardTrial& trial : trials) {
    for (const AskedWord& word : trial.asked) {
      asked += word.length;
    }
  }
  for (const CardAnswer& answer : answers) {
    measured.nll += answer.nll / static_cast<double>(asked);
  }
  return answers;
}

/// A caption to generate frames from, and the frames that it was made of.
struct Order {
  std::string caption;
  std::vector<CardFrame> frames;
  CardClip clip;  ///< of a clip
};

Order order_of(EvaluatedModel& model, bool is_clip, std::int64_t index) {
  const EvaluateOptions& values = model.options();
  const auto seed = static_cast<std::uint64_t>(values.seed);
  if (is_clip) {
    const CardClip clip = draw_trial_clip(model.cards(), values.split, seed, index);
    return {.caption = clip_caption(clip), .frames = frames_of(clip), .clip = clip};
  }
  const CardFrame frame = draw_trial_frame(model.cards(), values.split, seed, index);
  return {.caption = image_caption(frame), .frames = {frame}, .clip = {}};
}

bool add_order(const Order& order, bool is_clip, std::span<const CardReading> shown, PartTally& tally) {
  return is_clip ? add_clip(order.clip, shown, tally) : add_image(order.frames.front(), shown.front(), tally);
}

/// Reads generated frames into the answers, and those that the captions were made of into the ceilings.
void judge_orders(EvaluatedModel& model, std::span<const Order> orders, bool is_clip,
                  std::span<const std::vector<Token>> codes, Measured& measured) {
  for (std::size_t index = 0; index < orders.size(); ++index) {
    const Order& order = orders[index];
    std::vector<float> pixels;
    const std::vector<CardReading> shown = model.read(codes[index], &pixels);
    const bool is_right = add_order(order, is_clip, shown, measured.answers);
    add_order(order, is_clip, model.read(model.bank().codes(order.frames)), measured.ceilings);
    if (std::ssize(measured.examples) < model.options().examples) {
      measured.examples.push_back({.asked = order.caption,
                                   .answered = words_of(read_caption(shown), is_clip),
                                   .is_right = is_right,
                                   .frames = std::ssize(shown),
                                   .pixels = bytes_of(pixels)});
    }
  }
}

/// Codes of the frames that each caption gives.
std::vector<std::vector<Token>> generate_orders(EvaluatedModel& model, std::span<const Order> orders, bool is_clip,
                                                const EvaluationPoint& point, Measured& measured) {
  const EvaluateOptions& values = model.options();
  const VisionFormat& format = model.format();
  std::vector<std::vector<Token>> prompts;
  for (const Order& order : orders) {
    prompts.push_back(
        frame_prompt(format, PromptStyle::caption, {.caption = order.caption, .is_video = is_clip, .given = {}}));
    measured.context_length = std::max<std::int64_t>(measured.context_length, std::ssize(prompts.back()));
  }
  const std::int64_t frames = is_clip ? clip_frames : 1;
  measured.context_length += format.vision_length(frames);
  const std::int64_t rows = model.rows_per_pass(measured.context_length, std::ssize(prompts));
  const DeviceKind memory = device_of(values.backend);
  Generator& generator = model.generator();
  reset_high_water(memory);
  model.world().barrier();
  const double start = now_seconds();
  std::vector<std::vector<Token>> codes;
  for (std::size_t begin = 0; begin < prompts.size(); begin += static_cast<std::size_t>(rows)) {
    const std::size_t count = std::min(static_cast<std::size_t>(rows), prompts.size() - begin);
    VisionRequest request{.frames = frames,
                          .given_frames = 0,
                          .sampling = {.temperature = point.temperature,
                                       .top_k = values.top_k,
                                       .seed = static_cast<std::uint64_t>(values.seed)},
                          .guidance = point.guidance,
                          .unconditional = {},
                          .first_row = begin};
    if (point.guidance != 1) {
      request.unconditional.assign(count, unconditional_prompt(format, {}));
    }
    const Generation generation = generator.generate_vision(std::span(prompts).subspan(begin, count), format, request);
    measured.is_finite = measured.is_finite && generation.is_finite;
    for (const std::vector<Token>& row : generation.rows) {
      codes.push_back(codes_of(row, format));
      measured.tokens += std::ssize(row);
    }
  }
  measured.seconds = model.world().all_reduce(now_seconds() - start, Reduction::max);
  measured.peak_bytes = model.world().all_reduce(memory_account(memory).high_water, Reduction::max);
  return codes;
}

void add_squared_errors(std::span<const float> a, std::span<const float> b, double& sum) {
  for (std::size_t index = 0; index < a.size(); ++index) {
    const double difference = static_cast<double>(a[index]) - static_cast<double>(b[index]);
    sum += difference * difference;
  }
}

/// exp of the entropy of frequencies.
double perplexity_of(std::span<const std::int64_t> counts) {
  const auto total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
  double entropy = 0;
  for (const std::int64_t count : counts) {
    if (count > 0) {
      const double share = static_cast<double>(count) / total;
      entropy -= share * std::log(share);
    }
  }
  return std::exp(entropy);
}

}  // namespace

Measured measure_captions(EvaluatedModel& model, EvaluationTask task) {
  const EvaluateOptions& values = model.options();
  const auto seed = static_cast<std::uint64_t>(values.seed);
  const bool is_clip = is_of_clips(task);
  std::vector<CardTrial> trials;
  on_every_rank(model.world(), [&] {
    for (std::int64_t index = 0; index < values.items; ++index) {
      trials.push_back(is_clip ? draw_clip_trial(model.format(), model.bank(), values.split, seed, index)
                               : draw_image_trial(model.format(), model.bank(), values.split, seed, index));
    }
  });
  Measured measured;
  const std::vector<CardAnswer> answers = answer_all(model, trials, model.trained().description().rope_theta, measured);
  on_root(model.world(), [&] {
    for (std::size_t index = 0; index < trials.size(); ++index) {
      const CardTrial& trial = trials[index];
      std::vector<float> pixels;
      const std::vector<CardReading> shown = model.read(model.bank().codes(trial.frames), &pixels);
      const CaptionReading reading = read_caption(shown);
      const std::int64_t direction =
          is_clip ? draw_trial_clip(model.cards(), values.split, seed, static_cast<std::int64_t>(index)).direction : 0;
      bool is_ceiling_right = true;
      for (std::size_t word = 0; word < trial.asked.size(); ++word) {
        const bool is_right = is_read_right(trial.asked[word], trial, reading, direction);
        is_ceiling_right = is_ceiling_right && is_right;
        if (trial.asked[word].part != unscored_part) {
          measured.answers.add(trial.asked[word].part, answers[index].is_right[word]);
          measured.ceilings.add(trial.asked[word].part, is_right);
        }
      }
      measured.answers.add("all", answers[index].is_all_right());
      measured.ceilings.add("all", is_ceiling_right);
      if (std::ssize(measured.examples) < values.examples) {
        measured.examples.push_back({.asked = trial.answer,
                                     .answered = answers[index].text(),
                                     .is_right = answers[index].is_all_right(),
                                     .frames = std::ssize(shown),
                                     .pixels = bytes_of(pixels)});
      }
    }
  });
  return measured;
}

Measured measure_generated(EvaluatedModel& model, const EvaluationPoint& point) {
  const EvaluateOptions& values = model.options();
  const bool is_clip = is_of_clips(point.task);
  std::vector<Order> orders;
  for (std::int64_t index = 0; index < (is_clip ? values.clips : values.images); ++index) {
    orders.push_back(order_of(model, is_clip, index));
  }
  Measured measured;
  const std::vector<std::vector<Token>> codes = generate_orders(model, orders, is_clip, point, measured);
  on_root(model.world(), [&] { judge_orders(model, orders, is_clip, codes, measured); });
  return measured;
}

Measured measure_needles(EvaluatedModel& model, const VideoNeedleCell& cell, double theta) {
  const EvaluateOptions& values = model.options();
  std::vector<CardTrial> trials;
  on_every_rank(model.world(), [&] {
    for (std::int64_t index = 0; index < values.trials; ++index) {
      trials.push_back(draw_needle_trial(model.format(), model.bank(), values.split, cell, index));
    }
  });
  Measured measured;
  const std::vector<CardAnswer> answers = answer_all(model, trials, theta, measured, values.log_length);
  on_root(model.world(), [&] {
    for (std::size_t index = 0; index < trials.size(); ++index) {
      const CardTrial& trial = trials[index];
      const std::vector<CardReading> shown = model.read(model.bank().codes(trial.frames));
      for (std::size_t word = 0; word < trial.asked.size(); ++word) {
        const bool is_right = answers[index].is_right[word];
        measured.answers.add("digit", is_right);
        measured.ceilings.add("digit", shown[word].digit == trial.frames[word].object.name);
        const auto is_said = [&](const CardFrame& other) {
          return digit_names[static_cast<std::size_t>(other.object.name)] == answers[index].words[word];
        };
        measured.wrong_needle += !is_right && std::ranges::any_of(trial.frames, is_said) ? 1 : 0;
      }
    }
  });
  return measured;
}

RoundTrip measure_round_trip(EvaluatedModel& model) {
  const EvaluateOptions& values = model.options();
  const auto seed = static_cast<std::uint64_t>(values.seed);
  const CardJudge judge(model.cards());
  RoundTrip result;
  std::vector<std::int64_t> counts(static_cast<std::size_t>(model.frames().codebook_size()));
  std::vector<float> painted(static_cast<std::size_t>(model.frames().frame_size()));
  double squared = 0;
  for (std::int64_t index = 0; index < values.items; ++index) {
    const CardFrame frame = draw_trial_frame(model.cards(), values.split, seed, index);
    model.cards().paint(frame, painted);
    const double start = now_seconds();
    const std::vector<Token> codes = model.frames().encode(painted);
    const std::vector<float> decoded = model.frames().decode(codes);
    result.seconds += now_seconds() - start;
    std::ranges::for_each(codes, [&](Token code) { ++counts[static_cast<std::size_t>(code)]; });
    add_squared_errors(painted, decoded, squared);
    add_image(frame, judge.read(painted), result.original);
    const CardReading reading = judge.read(decoded);
    const bool is_right = add_image(frame, reading, result.decoded);
    if (std::ssize(result.examples) < values.examples) {
      std::vector<std::uint8_t> pixels = bytes_of(painted);
      std::ranges::copy(bytes_of(decoded), std::back_inserter(pixels));
      result.examples.push_back({.asked = image_caption(frame),
                                 .answered = words_of(read_caption({&reading, 1}), false),
                                 .is_right = is_right,
                                 .frames = 2,
                                 .pixels = std::move(pixels)});
    }
  }
  constexpr double peak_squared = 4;  // components are in [-1, 1]
  const double mean = squared / static_cast<double>(values.items * model.frames().frame_size());
  result.psnr = 10 * std::log10(peak_squared / mean);  // NOLINT(readability-magic-numbers): decibel
  result.codes_used = std::ranges::count_if(counts, [](std::int64_t count) { return count > 0; });
  result.code_perplexity = perplexity_of(counts);
  return result;
}

MeasuredText measure_text(EvaluatedModel& model, const Haystack& haystack) {
  const EvaluateOptions& values = model.options();
  const std::int64_t rows = model.rows_per_pass(values.text_tokens, values.text_windows);
  const NextTokenPredictor predict =
      model.predictor(values.text_tokens, rows, model.trained().description().rope_theta);
  const double start = now_seconds();
  MeasuredText measured;
  for (const PositionRange& range : measure_perplexity({.context_length = values.text_tokens,
                                                        .windows = values.text_windows,
                                                        .windows_per_pass = rows,
                                                        .seed = static_cast<std::uint64_t>(values.seed)},
                                                       model.trained().tokenizer(), haystack, predict)) {
    measured.tokens += range.tokens;
    measured.nll += range.nll_sum;
  }
  measured.nll /= static_cast<double>(measured.tokens);
  measured.seconds = model.world().all_reduce(now_seconds() - start, Reduction::max);
  return measured;
}

}  // namespace ringworld
