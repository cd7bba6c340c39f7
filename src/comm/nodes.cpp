#include "comm/nodes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include "core/error.hpp"
#include "core/simulated_ranks.hpp"

namespace ringworld {
namespace {

constexpr const char* variable = "RINGWORLD_RANKS_PER_NODE";

/// Replaces the name of each rank's node, whatever it is, by the lowest rank of that node.
std::vector<int> named_by_lowest_rank(const std::vector<int>& names) {
  std::vector<int> nodes;
  for (const int name : names) {
    nodes.push_back(static_cast<int>(std::ranges::find(names, name) - names.begin()));
  }
  return nodes;
}

}  // namespace

std::optional<int> given_ranks_per_node() {
  const char* const given = std::getenv(variable);
  if (given == nullptr) {
    return std::nullopt;
  }
  const std::string_view text(given);
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  require_input(error == std::errc() && end == text.data() + text.size() && count >= 1,
                fmt::format("{}={}: give the number of ranks on a node, at least 1", variable, text));
  return count;
}

std::vector<int> nodes_of(const Communicator& ranks) {
  const std::optional<int> given = given_ranks_per_node();
  if (ranks.is_pretended()) {
    return nodes_of_equal_size(ranks.size(), given.value_or(1));
  }
  if (given.has_value()) {
    return named_by_lowest_rank(ranks.all_gather(Communicator::world().rank() / *given));
  }
  if (are_ranks_simulated()) {  // each has a host of its own, of which the platform says how many form a node
    const int devices = simulated_platform().devices_per_node;
    std::vector<int> names;
    for (int rank = 0; rank < ranks.size(); ++rank) {
      names.push_back(ranks.rank_in_job(rank) / devices);
    }
    return named_by_lowest_rank(names);
  }
  const std::int64_t lowest = ranks.split_by_node().all_reduce(static_cast<std::int64_t>(ranks.rank()), Reduction::min);
  return ranks.all_gather(static_cast<int>(lowest));
}

std::vector<int> nodes_of_equal_size(int ranks, int ranks_per_node) {
  std::vector<int> nodes;
  for (int rank = 0; rank < ranks; ++rank) {
    nodes.push_back(rank / ranks_per_node * ranks_per_node);
  }
  return nodes;
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
