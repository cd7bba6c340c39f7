#pragma once
/// @file  Where the ranks of a job run: what the launcher made of it, before hours are spent on it.

#include <span>
#include <string>
#include <vector>

#include "io/rank_row.hpp"

namespace ringworld {

/// For people. One line when all ranks of a node have the same CPUs and device; else a table, a line each set of ranks
/// with one place. Nodes that look alike are shown once.
/// @param ranks  all of the job, in rank order
[[nodiscard]] std::string describe_binding(std::span<const RankRow> ranks);

/// What makes times longer than they need to be: ranks that were given hardware threads of one core, a rank whose CPUs
/// belong to several NUMA nodes, ranks that share a GPU. (Threads that share CPUs: experiments/common/cpu_sharing.hpp.)
[[nodiscard]] std::vector<std::string> binding_warnings(std::span<const RankRow> ranks);

/// Prints both, unless it printed the same before. For the root.
void report_binding(std::span<const RankRow> ranks);

}  // namespace ringworld
