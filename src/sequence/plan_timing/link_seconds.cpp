#include "sequence/plan_timing/link_seconds.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "core/error.hpp"

namespace ringworld::plan_timing {
namespace {

double log2_ceiling(int ranks) { return std::ceil(std::log2(static_cast<double>(ranks))); }

}  // namespace

const LinkTime& link_of(const PlanRates& rates, bool is_between_nodes) {
  return is_between_nodes ? rates.network : rates.node;
}

bool span_nodes(const std::vector<int>& nodes) {
  return std::ranges::any_of(nodes, [&](int node) { return node != nodes.front(); });
}

double group_seconds(const PlanRates& rates, GroupMotion motion, int ranks, bool is_between_nodes, double bytes) {
  if (ranks == 1) {
    return 0;
  }
  if (const auto& measured = rates.groups[static_cast<std::size_t>(motion)]; measured.has_value()) {
    return measured->latency + bytes / measured->bytes_per_second;
  }
  const LinkTime& link = link_of(rates, is_between_nodes);
  const double once = bytes / link.bytes_per_second;
  switch (motion) {
    case GroupMotion::all_gather:
    case GroupMotion::reduce_scatter:
    case GroupMotion::all_to_all:
      return (ranks - 1) * link.latency + once;
    case GroupMotion::broadcast:
    case GroupMotion::reduce:
      return log2_ceiling(ranks) * link.latency + once;
    case GroupMotion::all_reduce:
      return 2 * (log2_ceiling(ranks) * link.latency + once);
  }
  throw Error(ErrorKind::internal, "a motion outside its enumeration");
}

}  // namespace ringworld::plan_timing
