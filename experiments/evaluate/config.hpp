#pragma once
/// @file  What `ringworld evaluate` is asked to measure, and the points that this makes.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cards/cards.hpp"
#include "experiments/common/options.hpp"
#include "experiments/common/run_flags.hpp"
#include "tasks/vision/card_trials.hpp"

namespace ringworld {

enum class EvaluationTask : std::uint8_t { round_trip, image_text, video_text, text_image, text_video, text, needle };

template <>
struct Enumerators<EvaluationTask> {
  static constexpr std::string_view what = "task";
  static constexpr std::array<std::string_view, 7> names{"round_trip", "image_text", "video_text", "text_image",
                                                         "text_video", "text",       "needle"};
};

/// Whether the model generates frames.
[[nodiscard]] constexpr bool generates(EvaluationTask task) {
  return task == EvaluationTask::text_image || task == EvaluationTask::text_video;
}
/// Whether its items are clips.
[[nodiscard]] constexpr bool is_of_clips(EvaluationTask task) {
  return task == EvaluationTask::video_text || task == EvaluationTask::text_video;
}

/// The options as given; lists span the grid.
struct EvaluateOptions : RunFlags {
  EvaluateOptions() { output = "ringworld-evaluate.h5"; }

  std::string checkpoint;
  std::string frame_tokenizer;
  std::vector<EvaluationTask> tasks{EvaluationTask::round_trip, EvaluationTask::image_text, EvaluationTask::video_text,
                                    EvaluationTask::text_image, EvaluationTask::text_video, EvaluationTask::text,
                                    EvaluationTask::needle};
  CardSplit split = CardSplit::evaluation;
  std::int64_t items = 300;
  std::int64_t images = 200;
  std::int64_t clips = 100;
  std::vector<double> temperature{0, 0.5};
  std::int64_t top_k = 0;
  std::vector<double> guidance{1};
  std::vector<std::int64_t> frames{8, 16, 64};
  std::vector<std::string> depth{"5"};
  std::vector<std::string> needles{"1/1", "4/4", "6/6"};
  std::int64_t trials = 40;
  std::vector<std::string> rope_theta{"stage"};
  std::int64_t log_length = 0;
  std::vector<std::string> haystack{"kjv"};
  std::int64_t text_windows = 64;
  std::int64_t text_tokens = 48;
  std::int64_t examples = 24;
  std::int64_t tokens_per_pass = 16384;
  std::int64_t seed = 1;
};

void declare(Options& options, EvaluateOptions& values);

/// One point of the grid; only what its task needs is set.
struct EvaluationPoint {
  EvaluationTask task = EvaluationTask::round_trip;
  double temperature = 0;
  double guidance = 1;
  VideoNeedleCell cell;
  std::string theta;  ///< of a needle: stage, scaled or a number
};

/// Tasks in the order of their enumerators; needle cells that share a length stand together. A single needle (1/1) has a
/// cell for each depth, several needles one.
/// @throws Error(bad_input) naming the flag whose value is invalid.
[[nodiscard]] std::vector<EvaluationPoint> make_evaluation_points(const EvaluateOptions& values);

/// Share of hits of blind guesses at a part of a task's answers.
[[nodiscard]] double chance_of(std::string_view part, EvaluationTask task);

}  // namespace ringworld
