#pragma once
/// @file  What a run of `ringworld official` hands in: problem, machine, binding and rating, as JSON with a digest.

#include <span>
#include <string>

#include "experiments/attention/rows.hpp"
#include "io/rank_row.hpp"

namespace ringworld {

struct Submission {
  std::string size;
  AttentionRow row;
  std::span<const RankRow> ranks;
  std::string mpi_library;
  double measured_seconds = 0;  ///< of all timed passes together
  double least_seconds = 0;     ///< that the size asks for
};

/// Why the run does not count; empty when it does.
[[nodiscard]] std::string fault_of(const Submission& submission);

/// FLOP/s of all ranks together, of a causal pass.
[[nodiscard]] double rating_of(const AttentionRow& row);

/// The file: indented JSON whose key `digest` is that of all other keys.
[[nodiscard]] std::string to_json(const Submission& submission);

/// Whether a file is as it was written.
/// @param name  what messages call it
/// @throws Error(bad_input) when it is no submission
[[nodiscard]] bool has_right_digest(const std::string& text, const std::string& name);

}  // namespace ringworld
