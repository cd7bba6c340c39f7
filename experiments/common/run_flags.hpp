#pragma once
/// @file  The flags that verbs share, declared once: name, unit, meaning and type.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "comm/mesh.hpp"
#include "experiments/common/names.hpp"
#include "experiments/common/options.hpp"
#include "kernels/attention/attention_problem.hpp"
#include "model/config.hpp"

namespace ringworld {

enum class RunFlag : std::uint8_t {
  schedule,  ///< with its parameters, the four flags that follow
  ulysses,
  window,
  head_groups,
  trim,
  layout,
  backend,
  transport,
  dtype,
  wire_dtype,
  threads,
  mesh,
  output,
  resume,
  retry_failed,
};

/// The help text of a flag, and the heading it stands below.
struct FlagText {
  std::string_view name;
  std::string_view unit;
  std::string_view help;
  std::string_view group = help_group::ranks_and_kernels;
};
[[nodiscard]] FlagText text_of(RunFlag flag);

/// One value of each; a verb takes those that it declares. `mesh` and `output` get their defaults from the verb.
struct RunFlags {
  Schedule schedule;
  Layout layout = Layout::zigzag;
  Backend backend = Backend::host;
  Transport transport = Transport::automatic;
  DType dtype = DType::float32;
  WireDType wire_dtype = WireDType::same;
  std::int64_t threads = 1;
  std::string mesh = "1,1,1,-1";
  std::string output;
  bool resume = false;
  bool retry_failed = false;
  bool is_for_times_as_well = false;  ///< the verb takes a backend that computes nothing, too
};

/// Declares one flag for a target of the verb's own, such as a list of values.
template <class T>
void declare(Options& options, RunFlag flag, T& target) {
  const FlagText text = text_of(flag);
  options.add_below(text.group, text.name, target, text.unit, text.help);
}

/// Declares the wanted flags, in this order; with a schedule all its parameters.
void declare(Options& options, RunFlags& flags, std::initializer_list<RunFlag> wanted);

/// check_schedule for a schedule that was given by flags: the message begins with them.
/// @param ranks  of a sequence
/// @throws Error(bad_input) that names the flags, what does not fit, and the nearest value that does
void check_schedule_flags(const Schedule& schedule, const AttentionProblem& problem, Layout layout, bool is_causal,
                          std::int64_t ranks);
/// The same for the attention of a model on a mesh.
void check_schedule_flags(const Schedule& schedule, const ModelConfig& model, Layout layout, const MeshShape& mesh);

}  // namespace ringworld
