#include "comm/nodes.hpp"

#include <algorithm>
#include <numeric>

#include "core/simulated_ranks.hpp"

namespace ringworld {

std::vector<int> nodes_of(const Communicator& ranks) {
  if (ranks.is_pretended()) {
    std::vector<int> nodes(static_cast<std::size_t>(ranks.size()));
    std::iota(nodes.begin(), nodes.end(), 0);
    return nodes;
  }
  if (are_ranks_simulated()) {  // each has a host of its own, of which the platform says how many form a node
    std::vector<int> nodes(static_cast<std::size_t>(ranks.size()));
    const int devices = simulated_platform().devices_per_node;
    std::ranges::generate(nodes, [rank = 0, devices]() mutable { return rank++ / devices * devices; });
    return nodes;
  }
  const std::int64_t lowest = ranks.split_by_node().all_reduce(static_cast<std::int64_t>(ranks.rank()), Reduction::min);
  return ranks.all_gather(static_cast<int>(lowest));
}

int ranks_per_node(const std::vector<int>& nodes) {
  int count = 0;
  while (count < static_cast<int>(nodes.size()) && nodes[static_cast<std::size_t>(count)] == nodes.front()) {
    ++count;
  }
  for (int rank = 0; rank < static_cast<int>(nodes.size()); ++rank) {
    const bool is_in_order = nodes[static_cast<std::size_t>(rank)] == rank / count * count;
    if (!is_in_order) {
      return 0;
    }
  }
  return static_cast<int>(nodes.size()) % count == 0 ? count : 0;
}

}  // namespace ringworld
