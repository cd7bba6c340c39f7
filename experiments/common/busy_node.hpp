#pragma once
/// @file  Work of others on the nodes of a job: its times are longer by it, and vary.

#include <cstdint>
#include <optional>
#include <string_view>

#include "comm/communicator.hpp"

namespace ringworld {

/// Threads of a node that run or want to: procs_running in the text of /proc/stat; nothing where that is not told.
[[nodiscard]] std::optional<std::int64_t> running_threads(std::string_view stat);

/// Whether threads of other work have to take turns with those of the job.
[[nodiscard]] inline bool is_busy(std::int64_t others, std::int64_t threads, std::int64_t cpus) {
  return others > 0 && others + threads > cpus;
}

/// Warns once, on the root, when other work and the threads of the job are more than some node has CPUs. Collective; no
/// rank of the job computes meanwhile.
/// @param threads  that this rank will run at a time; 0 when it takes no part
/// @return whether it warned
bool warn_of_busy_nodes(const Communicator& communicator, std::int64_t threads);

}  // namespace ringworld
