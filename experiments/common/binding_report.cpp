#include "experiments/common/binding_report.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <tuple>

#include "core/log.hpp"

namespace ringworld {
namespace {

/// What a line of the table shows.
struct BindingPlace {
  std::string cpus;
  std::string cores;
  std::string numa;
  std::string device;
  friend auto operator<=>(const BindingPlace&, const BindingPlace&) = default;
};

struct BoundNode {
  std::string host;
  std::vector<int> ranks;
  std::vector<BindingPlace> places;  // of each rank
};

std::string or_unknown(std::string_view text) { return text.empty() ? "?" : std::string(text); }

std::vector<BoundNode> bound_nodes(std::span<const RankRow> ranks) {
  std::vector<BoundNode> nodes;
  for (const RankRow& row : ranks) {
    auto node = std::ranges::find(nodes, row.host.view(), &BoundNode::host);
    if (node == nodes.end()) {
      node = nodes.insert(nodes.end(), {.host = std::string(row.host.view()), .ranks = {}, .places = {}});
    }
    node->ranks.push_back(static_cast<int>(row.rank));
    node->places.push_back({.cpus = or_unknown(row.binding.view()),
                            .cores = or_unknown(row.core_binding.view()),
                            .numa = or_unknown(row.numa_binding.view()),
                            .device = or_unknown(row.device.view())});
  }
  return nodes;
}

/// "GPU-..." at the end of a device tells two of one model apart, also on nodes that are alike.
std::string model_of(const std::string& device) { return device.substr(0, device.find(" GPU-")); }

bool look_alike(const BoundNode& a, const BoundNode& b) {
  return std::ranges::equal(a.places, b.places, [](const BindingPlace& x, const BindingPlace& y) {
    return std::tie(x.cpus, x.cores, x.numa) == std::tie(y.cpus, y.cores, y.numa) &&
           model_of(x.device) == model_of(y.device);
  });
}

/// {0, 1, 2, 8} -> "0-2,8", and no more than a line holds.
std::string rank_list(const std::vector<int>& ranks) {
  constexpr std::size_t most = 24;
  const std::string text = format_cpu_list(ranks);
  return text.size() <= most ? text : text.substr(0, text.rfind(',', most)) + ",...";
}

std::vector<int> numbers_of(std::string_view list) {
  std::vector<int> numbers;
  while (!list.empty()) {
    const std::string_view item = list.substr(0, list.find(','));
    int first = 0;
    const auto [end, failed] = std::from_chars(item.data(), item.data() + item.size(), first);
    if (failed != std::errc()) {
      break;  // cut off
    }
    int last = first;
    if (end != item.data() + item.size()) {
      std::from_chars(end + 1, item.data() + item.size(), last);
    }
    for (int number = first; number <= last; ++number) {
      numbers.push_back(number);
    }
    list.remove_prefix(std::min(list.size(), item.size() + 1));
  }
  return numbers;
}

}  // namespace

std::string describe_binding(std::span<const RankRow> ranks) {
  const std::vector<BoundNode> nodes = bound_nodes(ranks);
  if (nodes.empty()) {
    return {};
  }
  std::vector<const BoundNode*> kinds;  // of nodes that look alike, the first
  std::map<const BoundNode*, std::int64_t> more_of;
  for (const BoundNode& node : nodes) {
    const auto same = std::ranges::find_if(kinds, [&](const BoundNode* kind) { return look_alike(*kind, node); });
    if (same == kinds.end()) {
      kinds.push_back(&node);
    } else {
      ++more_of[*same];
    }
  }
  const auto count = [](std::size_t number, std::string_view what) {
    return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
  };
  const BoundNode& first = nodes.front();
  const bool is_one_place = kinds.size() == 1 && std::ranges::all_of(first.places, [&](const BindingPlace& place) {
                              return place == first.places.front();
                            });
  std::string text = fmt::format("{} on {}", count(ranks.size(), "rank"), count(nodes.size(), "node"));
  if (is_one_place) {
    const BindingPlace& place = first.places.front();
    return text + fmt::format(" ({}{}), {} CPUs {} (cores {}, NUMA {}), on {}", first.host,
                              nodes.size() > 1 ? ", ..." : "", ranks.size() > 1 ? "each on" : "on", place.cpus,
                              place.cores, place.numa, place.device);
  }
  text +=
      fmt::format(":\n  {:<24}  {:<20}  {:<12}  {:<12}  {:<8}  {}", "ranks", "node", "CPUs", "cores", "NUMA", "device");
  for (const BoundNode* const node : kinds) {
    std::vector<std::pair<BindingPlace, std::vector<int>>> lines;
    for (std::size_t index = 0; index < node->ranks.size(); ++index) {
      const auto line = std::ranges::find(lines, node->places[index], [](const auto& each) { return each.first; });
      if (line == lines.end()) {
        lines.push_back({node->places[index], {node->ranks[index]}});
      } else {
        line->second.push_back(node->ranks[index]);
      }
    }
    for (const auto& [place, members] : lines) {
      text += fmt::format("\n  {:<24}  {:<20}  {:<12}  {:<12}  {:<8}  {}", rank_list(members), node->host, place.cpus,
                          place.cores, place.numa, place.device);
    }
    if (const std::int64_t more = more_of[node]; more > 0) {
      text += fmt::format("\n  and {} more like {}", count(static_cast<std::size_t>(more), "node"), node->host);
    }
  }
  return text;
}

std::vector<std::string> binding_warnings(std::span<const RankRow> ranks) {
  std::vector<std::string> warnings;
  const std::vector<BoundNode> nodes = bound_nodes(ranks);
  auto add_once = [&, said = std::set<std::string>()](const std::string& kind, const std::string& text) mutable {
    if (said.insert(kind).second) {
      warnings.push_back(text);
    }
  };
  for (const BoundNode& node : nodes) {
    for (std::size_t index = 0; index < node.ranks.size(); ++index) {
      const BindingPlace& place = node.places[index];
      if (numbers_of(place.numa).size() > 1) {
        add_once("numa", fmt::format("rank {} on {} may run on NUMA nodes {}: its memory can be far from its threads. "
                                     "Bind each rank inside one (mpirun --map-by numa --bind-to numa, srun "
                                     "--cpu-bind=ldoms)",
                                     node.ranks[index], node.host, place.numa));
      }
      for (std::size_t other = 0; other < index; ++other) {
        const BindingPlace& before = node.places[other];
        if (place.device.find(" GPU-") != std::string::npos && place.device == before.device) {
          add_once("device", fmt::format("ranks {} and {} on {} share {}: they take turns. Start as many ranks a node "
                                         "as it has GPUs",
                                         node.ranks[other], node.ranks[index], node.host, place.device));
        }
        std::vector<int> cpus;
        std::vector<int> cores;
        std::ranges::set_intersection(numbers_of(place.cpus), numbers_of(before.cpus), std::back_inserter(cpus));
        std::ranges::set_intersection(numbers_of(place.cores), numbers_of(before.cores), std::back_inserter(cores));
        if (cpus.empty() && !cores.empty()) {
          add_once("cores", fmt::format("ranks {} and {} on {} have hardware threads of the same core {}: both are "
                                        "slower. Bind to whole cores (mpirun --map-by core --bind-to core, srun "
                                        "--hint=nomultithread)",
                                        node.ranks[other], node.ranks[index], node.host, cores.front()));
        }
      }
    }
  }
  return warnings;
}

void report_binding(std::span<const RankRow> ranks) {
  static std::string said;  // a sweep opens many records on the same ranks
  std::string text = describe_binding(ranks);
  if (text == said) {
    return;
  }
  log_info(text);
  for (const std::string& warning : binding_warnings(ranks)) {
    log_warning(warning);
  }
  said = std::move(text);
}

}  // namespace ringworld
