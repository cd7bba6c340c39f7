#pragma once
/// @file  What `main` hands to a verb.

#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "experiments/common/options.hpp"

namespace ringworld {

struct Job {
  Communicator world;
  std::vector<std::string> arguments;     ///< of the verb
  std::vector<std::string> command_line;  ///< of the program, its name first
};

/// Parses the verb's options; every rank throws the same error. Returns false when help was asked for and, on the root,
/// printed: the verb has then nothing to do. Collective over the job.
[[nodiscard]] bool parse_options(const Job& job, Options& options);

/// Each verb runs to its end and returns the program's exit code. Collective over the job.
[[nodiscard]] int run_info(const Job& job);
[[nodiscard]] int run_attention(const Job& job);
[[nodiscard]] int run_train(const Job& job);
[[nodiscard]] int run_verify(const Job& job);
[[nodiscard]] int run_score(const Job& job);
[[nodiscard]] int run_needle(const Job& job);
[[nodiscard]] int run_generate(const Job& job);
[[nodiscard]] int run_sweep(const Job& job);

}  // namespace ringworld
