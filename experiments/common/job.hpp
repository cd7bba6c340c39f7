#pragma once
/// @file  The input of a verb, passed by `main`.

#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/watchdog.hpp"
#include "experiments/common/options.hpp"
#include "experiments/common/trace_file.hpp"

namespace ringworld {

struct Job {
  Communicator world;
  std::vector<std::string> arguments;     ///< of the verb
  std::vector<std::string> command_line;  ///< of the program, its name first
  Watchdog& watchdog;                     ///< of the program; a verb that runs others hands it on
  TraceFile& trace;                       ///< the same
};

/// The file that `--config` names; nothing without.
[[nodiscard]] std::optional<std::string> config_path_of(const std::vector<std::string>& arguments);

/// Parses the verb's options, and those that every verb has: `--timeout`, which the watchdog keeps to from here on, and
/// `--trace`, which begins here. Every rank throws the same error, also when the file of --config is not the same on all. Returns false when help was asked for
/// and, on the root, printed: the verb has then nothing to do. Collective over the job.
[[nodiscard]] bool parse_options(const Job& job, Options& options);

/// For a verb that a signal ended early, when all that it had is written: says so on the root.
/// @param what  where it stopped and how it goes on     @return the program's exit code
[[nodiscard]] int stopped_early(const Job& job, const std::string& what);

/// Each verb runs to its end and returns the program's exit code. Collective over the job.
[[nodiscard]] int run_info(const Job& job);
[[nodiscard]] int run_check(const Job& job);
[[nodiscard]] int run_attention(const Job& job);
[[nodiscard]] int run_train(const Job& job);
[[nodiscard]] int run_verify(const Job& job);
[[nodiscard]] int run_score(const Job& job);
[[nodiscard]] int run_convert(const Job& job);
[[nodiscard]] int run_evaluate(const Job& job);
[[nodiscard]] int run_needle(const Job& job);
[[nodiscard]] int run_generate(const Job& job);
[[nodiscard]] int run_official(const Job& job);
[[nodiscard]] int run_sweep(const Job& job);
[[nodiscard]] int run_tokenize(const Job& job);

}  // namespace ringworld
