#pragma once
/// @file  What `ringworld sweep` is asked to run, and the runs of verbs that this makes.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "experiments/common/options.hpp"
#include "experiments/sweep/assumptions.hpp"
#include "experiments/sweep/schedule_lists.hpp"

namespace ringworld {

struct SweepGridOptions {
  std::vector<std::int64_t> ranks{0};  // 0: all
  std::vector<std::int64_t> context_length{4096};
  std::string attention_config;
  std::vector<std::string> stages;  // configurations of train
  std::string needle_config;
  ScheduleLists schedules;
  bool simulate = false;
  AssumptionLists assumptions;
  bool resume = false;
  bool retry_failed = false;
  bool csv = false;
  std::string output = "ringworld-sweep.h5";
};

void declare(Options& options, SweepGridOptions& values);

/// One run of a verb.
struct VerbRun {
  std::string verb;
  std::int64_t ranks = 1;
  std::string configuration;
  std::vector<std::string> arguments;  ///< after the verb
  std::filesystem::path part;          ///< its own record
  std::string question;                ///< digest of the arguments and of all files that they name
};

struct VerbRuns {
  std::vector<VerbRun> runs;
  std::int64_t left_out = 0;      ///< combinations of ring sizes, files and schedules that cannot be run
  std::string first_of_left_out;  ///< why the first of them cannot
};

/// The product, a ring size after the other, and for each a schedule after the other: attention over all context
/// lengths, then each list of stages trained and its model asked for needles over all context lengths.
/// Simulated stages train nothing: for each combination of assumptions a list of stages is one run.
/// Left out is what a schedule cannot run, as long as every value of every list is in some run. A run that the ring
/// cannot do either is not left out: its row says why it failed.
/// @throws Error(bad_input) naming the flag whose value is invalid; a missing file is an invalid value.
[[nodiscard]] VerbRuns make_verb_runs(const SweepGridOptions& values, std::int64_t job_ranks);

}  // namespace ringworld
