#pragma once
/// @file  What `ringworld needle` is asked to evaluate, and the cells that this makes.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "experiments/common/needle_grid.hpp"
#include "experiments/common/options.hpp"
#include "experiments/common/rope_scaling_choice.hpp"
#include "experiments/common/run_flags.hpp"
#include "tasks/needle/trial.hpp"
#include "tasks/recall/recall_task.hpp"

namespace ringworld {

/// How answers are produced.
enum class Decoding : std::uint8_t {
  one_pass,  ///< one pass over the right answers: greedy answers are right iff each token is the likeliest
  greedy,    ///< generated token by token from a sharded cache
  open,      ///< generated freely; right is what holds the digits or words
};
template <>
struct Enumerators<Decoding> {
  static constexpr std::string_view what = "decoding";
  static constexpr std::array<std::string_view, 3> names{"one_pass", "greedy", "open"};
};

/// The options as given; lists span the grid.
struct NeedleOptions : RunFlags {
  NeedleOptions() { output = "ringworld-needle.h5"; }

  std::string checkpoint;
  bool csv = false;
  std::vector<std::int64_t> context_length{0};  // 0: the trained one
  std::vector<std::string> depth{"5"};
  std::vector<std::string> needles{"1/1"};
  std::int64_t trials = 20;
  std::vector<std::string> rope_theta{"stage"};
  std::vector<std::string> rope_scaling{"model"};
  std::vector<std::string> haystack{"kjv"};
  std::string needle_template = "checkpoint";
  std::vector<std::string> task{"lwm"};
  std::string chat = "lwm";
  std::int64_t answer_tokens = 0;  // 0: the task's own
  Decoding decoding = Decoding::one_pass;
  std::int64_t tokens_per_pass = 16384;
  std::int64_t perplexity_windows = 0;
  std::int64_t seed = 1;
  std::string transcript;  // empty: none
};

void declare(Options& options, NeedleOptions& values);

/// One cell of the grid.
struct NeedlePoint {
  NeedleCell cell;
  RecallTask task = RecallTask::lwm;
  std::string theta_mode;
  double theta = 0;
  RopeScalingChoice scaling{};
};

/// What the model was trained on, as far as the grid depends on it.
struct TrainedFor {
  std::int64_t context_length = 0;
  double rope_theta = 0;
  std::int64_t head_size = 0;
};

/// The product of the lists; cells that share a model (length, theta and scaling) stand together. A single needle (1/1)
/// has a cell for each depth, several needles one, and so has each task of RULER.
/// @throws Error(bad_input) naming the flag whose value is invalid.
[[nodiscard]] std::vector<NeedlePoint> make_needle_points(const NeedleOptions& values, const TrainedFor& trained);

}  // namespace ringworld
