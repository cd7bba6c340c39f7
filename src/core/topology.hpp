#pragma once
/// @file  The node that this process runs on, and its place there, as hwloc knows them. Needs the build option
/// RINGWORLD_ENABLE_HWLOC; without it nothing is known.

#include <cstdint>
#include <string>
#include <vector>

namespace ringworld {

/// The hardware of a node. 0 and empty: not known.
struct NodeTopology {
  std::int64_t packages = 0;  ///< processors in sockets
  std::int64_t cores = 0;     ///< physical
  std::int64_t numa_nodes = 0;
  std::string caches;  ///< those of a core, the nearest first, as in "L1d 32 KiB, L2 1 MiB, L3 32 MiB of 8 cores"
};

[[nodiscard]] NodeTopology node_topology();

/// The logical CPUs that this thread may run on, as the kernel numbers them, ascending; empty when that is not known.
[[nodiscard]] std::vector<int> allowed_cpus();

/// The physical cores of those CPUs, as hwloc numbers them on the node, in the same form.
[[nodiscard]] std::vector<int> allowed_cores();

/// The NUMA nodes whose memory is near those CPUs, in the same form.
[[nodiscard]] std::vector<int> allowed_numa_nodes();

}  // namespace ringworld
