#include "sequence/schedule_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "comm/nodes.hpp"
#include "core/error.hpp"

namespace ringworld {
namespace {

/// The numbers in 1..limit for which `works(n)`, nearest to `wanted` first; the first of them is what to say.
template <class Works>
std::int64_t nearest(std::int64_t wanted, std::int64_t limit, const Works& works) {
  std::int64_t best = 1;
  for (std::int64_t candidate = 1; candidate <= limit; ++candidate) {
    if (works(candidate) && std::abs(candidate - wanted) < std::abs(best - wanted)) {
      best = candidate;
    }
  }
  return best;
}

void require_kind(bool is_set, const Schedule& schedule, ScheduleKind kind, std::string_view parameter) {
  require_input(!is_set || schedule.kind == kind, fmt::format("{} belongs to the schedule {}, not to {}", parameter,
                                                              name_of(kind), name_of(schedule.kind)));
}

void check_ulysses(const Schedule& schedule, const AttentionProblem& problem, std::int64_t ranks) {
  const auto works = [&](std::int64_t ulysses) {
    return ranks % ulysses == 0 && problem.heads % ulysses == 0 &&
           (problem.kv_heads % ulysses == 0 || ulysses % problem.kv_heads == 0);
  };
  require_input(schedule.ulysses >= 1, fmt::format("ulysses {} must be at least 1", schedule.ulysses));
  require_input(
      works(schedule.ulysses),
      fmt::format("ulysses {} does not fit {} heads, {} kv heads and {} ranks; the nearest that does is {}",
                  schedule.ulysses, problem.heads, problem.kv_heads, ranks, nearest(schedule.ulysses, ranks, works)));
}

void check_window(const Schedule& schedule, std::int64_t ranks) {
  require_kind(schedule.window != 0, schedule, ScheduleKind::double_ring, "a window");
  require_input(schedule.window >= 0, fmt::format("window {} must not be negative", schedule.window));
  const auto works = [&](std::int64_t window) { return ranks % window == 0; };
  require_input(schedule.window == 0 || works(schedule.window),
                fmt::format("window {} does not divide a ring of {} ranks; the nearest that does is {}",
                            schedule.window, ranks, nearest(schedule.window, ranks, works)));
}

void check_head_groups(const Schedule& schedule, const AttentionProblem& problem) {
  if (schedule.ulysses == 1) {
    require_kind(schedule.head_groups != 1, schedule, ScheduleKind::all_gather,
                 "a number of head groups without an exchange of heads (ulysses)");
  }
  const std::int64_t heads = std::max<std::int64_t>(1, problem.kv_heads / schedule.ulysses);
  const auto works = [&](std::int64_t groups) { return heads % groups == 0; };
  require_input(schedule.head_groups >= 1, fmt::format("{} head groups: there is at least 1", schedule.head_groups));
  require_input(works(schedule.head_groups),
                fmt::format("{} head groups do not divide {} kv heads{}; the nearest number that does is {}",
                            schedule.head_groups, heads, schedule.ulysses > 1 ? " of a rank" : "",
                            nearest(schedule.head_groups, heads, works)));
}

}  // namespace

void check_schedule(const Schedule& schedule, const AttentionProblem& problem, Layout layout, bool is_causal,
                    std::int64_t ranks) {
  check_ulysses(schedule, problem, ranks);
  check_window(schedule, ranks / schedule.ulysses);
  check_head_groups(schedule, problem);
  require_kind(schedule.is_trimmed, schedule, ScheduleKind::ring, "trim");
  require_input(!schedule.is_trimmed || (layout == Layout::zigzag && is_causal),
                fmt::format("trim drops what a causal mask hides in the layout zigzag; the layout is {}{}",
                            name_of(layout), is_causal ? "" : " and the mask is not causal"));
}

Schedule with_window(Schedule schedule, const Communicator& ranks) {
  const bool is_open = schedule.kind == ScheduleKind::double_ring && schedule.window == 0;
  return is_open ? with_window(schedule, nodes_of(ranks)) : schedule;
}

Schedule with_window(Schedule schedule, const std::vector<int>& nodes) {
  if (schedule.kind != ScheduleKind::double_ring || schedule.window != 0) {
    return schedule;
  }
  const int of_node = ranks_per_node(nodes);
  const int ulysses = schedule.ulysses;
  const auto ranks = static_cast<int>(nodes.size());
  require_input(of_node > 0,
                fmt::format("a double ring of {} ranks that are not spread evenly over nodes, in their order, needs a "
                            "window: a divisor of {}",
                            ranks, ranks / ulysses));
  require_input(of_node % ulysses == 0 || ulysses % of_node == 0,
                fmt::format("a double ring takes its window from the {} ranks of a node, which ulysses {} does not "
                            "share out; give it a window: a divisor of {}",
                            of_node, ulysses, ranks / ulysses));
  schedule.window = std::max(1, of_node / ulysses);  // neighbours may fill more than a node
  return schedule;
}

}  // namespace ringworld
