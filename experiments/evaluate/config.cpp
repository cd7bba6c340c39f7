#include "experiments/evaluate/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "experiments/common/needle_grid.hpp"
#include "experiments/common/theta_choice.hpp"

namespace ringworld {
namespace {

void require_values(const EvaluateOptions& values) {
  const std::array<std::pair<std::string_view, std::int64_t>, 8> counts{{{"items", values.items},
                                                                         {"images", values.images},
                                                                         {"clips", values.clips},
                                                                         {"trials", values.trials},
                                                                         {"text-windows", values.text_windows},
                                                                         {"text-tokens", values.text_tokens - 1},
                                                                         {"tokens-per-pass", values.tokens_per_pass},
                                                                         {"threads", values.threads}}};
  for (const auto& [flag, count] : counts) {
    require_input(count >= 1, fmt::format("--{}: too small; give at least {}", flag, flag == "text-tokens" ? 2 : 1));
  }
  require_input(values.examples >= 0, fmt::format("--examples: {} must not be negative", values.examples));
  require_input(values.log_length == 0 || values.log_length >= 2,
                fmt::format("--log-length: {} is neither 0 nor at least 2", values.log_length));
  require_input(values.top_k >= 0, fmt::format("--top-k: {} must not be negative", values.top_k));
  for (const double temperature : values.temperature) {
    require_input(temperature >= 0, fmt::format("--temperature: {} must not be negative", temperature));
  }
  for (const std::int64_t frames : values.frames) {
    require_input(frames >= 1, fmt::format("--frames: {} must be at least 1", frames));
  }
  require_input(!values.output.empty(), "--output is empty");
}

void append_needles(const EvaluateOptions& values, std::vector<EvaluationPoint>& points) {
  const std::vector<double> depths = read_depths(values.depth);
  for (const std::int64_t frames : values.frames) {
    for (const std::string& theta : values.rope_theta) {
      static_cast<void>(read_theta(theta));
      for (const std::string& word : values.needles) {
        const NeedleCount count = read_needle_count(word);
        require_input(count.planted <= card_digit_colours,
                      fmt::format("--needles {}: cards have {} colours, and each needle one of its own", word,
                                  card_digit_colours));
        require_input(count.planted <= frames,
                      fmt::format("--needles {}: a video of {} frames has no room for so many", word, frames));
        EvaluationPoint point{.task = EvaluationTask::needle,
                              .cell = {.frames = frames,
                                       .planted = count.planted,
                                       .asked = count.asked,
                                       .seed = static_cast<std::uint64_t>(values.seed)},
                              .theta = theta};
        if (count != NeedleCount{}) {
          points.push_back(point);
          continue;
        }
        for (const double depth : depths) {
          point.cell.depth = depth;
          points.push_back(point);
        }
      }
    }
  }
}

}  // namespace

void declare(Options& options, EvaluateOptions& values) {
  options.begin_group("Model");
  options.add("checkpoint", values.checkpoint, "", "HDF5 file of a world model that `ringworld train` wrote");
  options.add("frame-tokenizer", values.frame_tokenizer, "",
              "file of the VQGAN whose codes the model knows; empty = the one that it was trained with");
  options.begin_group("What is measured");
  options.add(
      "tasks", values.tasks, "",
      "what is measured. round_trip: frames encoded and decoded; image_text, video_text: captions in one pass "
      "over the right ones; text_image, text_video: frames generated from captions and read by the pixel judge; "
      "text: nll of held-out text; needle: digit cards hidden in videos");
  options.add("split", values.split, "", "handwriting that is shown; training never sees that of evaluation");
  options.add("items", values.items, "", "images or clips of round_trip, image_text and video_text");
  options.add("images", values.images, "", "captions of text_image");
  options.add("clips", values.clips, "", "captions of text_video");
  options.add("temperature", values.temperature, "", "of the draws that generate frames; 0 = the likeliest code");
  options.add("top-k", values.top_k, "", "only so many of the likeliest codes may be drawn; 0 = all");
  options.add("guidance", values.guidance, "", "scale of guidance away from no caption; 1 = none");
  options.begin_group("Needle videos: each combination of these lists is a cell");
  options.add("frames", values.frames, "frame", "of a needle video, a frame a second: 3600 is an hour");
  options.add("depth", values.depth, "",
              "where a single needle stands, 0 = first frame, 1 = last: a list, or one whole number from 2 on: so many "
              "depths, evenly spaced");
  options.add("needles", values.needles, "",
              "N/R: digit cards in a video / asked for; 1/1 has a cell for each depth, N is at most 6");
  options.add("trials", values.trials, "", "videos a needle cell");
  options.add("rope-theta", values.rope_theta, "",
              "of needle videos: stage (as trained), scaled (with the square of the length beyond the trained one), or "
              "a number; everything else runs as trained");
  options.add("log-length", values.log_length, "token",
              "of needle videos: queries from this position on are longer, by log(position + 1) / log(log-length), for "
              "they choose among more keys; 0 = none is");
  options.begin_group("What is measured");
  options.add("haystack", values.haystack, "",
              "text that the model was trained on: kjv, synthetic, or text files; its held-out part is used");
  options.add("text-windows", values.text_windows, "", "windows of held-out text");
  options.add("text-tokens", values.text_tokens, "token", "of a window, bos included");
  options.add("examples", values.examples, "", "items of each kind whose frames and answers the record keeps");
  options.add("tokens-per-pass", values.tokens_per_pass, "token",
              "most tokens that one pass takes side by side; a longer video goes alone");
  options.add("seed", values.seed, "", "seed of the items and of the draws");
  declare(options, values,
          {RunFlag::mesh, RunFlag::schedule, RunFlag::layout, RunFlag::backend, RunFlag::dtype, RunFlag::threads,
           RunFlag::resume, RunFlag::retry_failed, RunFlag::output});
  options.allow_config_file();
  options.add_example("mpirun -n 2 ringworld evaluate --checkpoint world.h5 --tasks image_text,text_image",
                      "captions of held-out pictures, and pictures of captions");
  options.add_example("mpirun -n 4 ringworld evaluate --checkpoint world.h5 --tasks needle --frames 60,3600 --depth 5",
                      "digits hidden in a minute and in an hour of video");
}

std::vector<EvaluationPoint> make_evaluation_points(const EvaluateOptions& values) {
  require_values(values);
  std::vector<EvaluationTask> tasks = values.tasks;
  std::ranges::sort(tasks);
  tasks.erase(std::ranges::unique(tasks).begin(), tasks.end());
  std::vector<EvaluationPoint> points;
  for (const EvaluationTask task : tasks) {
    if (task == EvaluationTask::needle) {
      append_needles(values, points);
    } else if (generates(task)) {
      for (const double guidance : values.guidance) {
        for (const double temperature : values.temperature) {
          points.push_back(
              {.task = task, .temperature = temperature, .guidance = guidance, .cell = {}, .theta = "stage"});
        }
      }
    } else {
      points.push_back({.task = task, .cell = {}, .theta = "stage"});
    }
  }
  return points;
}

double chance_of(std::string_view part, EvaluationTask task) {
  constexpr double colour = 1.0 / card_digit_colours;
  constexpr double digit = 1.0 / static_cast<double>(digit_names.size());
  constexpr double line = 1.0 / card_cells_per_side;
  constexpr double direction = 1.0 / static_cast<double>(direction_names.size());
  if (part == "colour") {
    return colour;
  }
  if (part == "digit") {
    return digit;
  }
  if (part == "row" || part == "column") {
    return line;
  }
  if (part == "cell") {
    return line * line;
  }
  if (part == "direction" || part == "every_step" || part == "net_direction") {
    return direction;  // of a clip that is like any other, whatever its caption
  }
  require(part == "all", "a part of an answer that nobody guesses");
  return colour * digit * (is_of_clips(task) ? direction : line * line);
}

}  // namespace ringworld
