#include "core/topology.hpp"

namespace ringworld {

NodeTopology node_topology() { return {}; }

std::vector<int> allowed_cpus() { return {}; }

std::vector<int> allowed_cores() { return {}; }

std::vector<int> allowed_numa_nodes() { return {}; }

}  // namespace ringworld
