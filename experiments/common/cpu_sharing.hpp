#pragma once
/// @file  Threads that take turns on one CPU: their times are not those of the algorithm.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "comm/communicator.hpp"

namespace ringworld {

/// The threads of a rank of a node, and the CPUs to which the launcher binds it.
struct RankCpus {
  int rank = 0;
  std::int64_t threads = 1;
  std::vector<int> cpus;  ///< ascending; empty: not known
};

/// For people: which threads share which CPUs of a node, and what to do; nothing when each has a CPU of its own.
///
/// Of any set of CPUs that some rank is bound to, the ranks bound inside it may have no more threads than it has CPUs.
[[nodiscard]] std::optional<std::string> describe_cpu_sharing(std::span<const RankCpus> ranks);

/// What describe_cpu_sharing says of some node of the job, on every rank; nothing when no threads share CPUs.
/// Collective.
/// @param threads  that this rank will run at a time; 0 when it takes no part
[[nodiscard]] std::optional<std::string> find_cpu_sharing(const Communicator& communicator, std::int64_t threads);

/// Warns once, on the root, when threads of the job share CPUs on some node. Collective.
/// @param threads  as above
/// @return whether it warned
bool warn_of_shared_cpus(const Communicator& communicator, std::int64_t threads);

}  // namespace ringworld
