#include "experiments/attention/collective_rates.hpp"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "perf/link_fit.hpp"

namespace ringworld {
namespace {

/// The motion that an operation of `info --links` is; hops are none.
std::optional<GroupMotion> motion_of(std::string_view operation) {
  constexpr std::array<std::pair<std::string_view, GroupMotion>, 5> known{{
      {"all_gather", GroupMotion::all_gather},
      {"reduce_scatter", GroupMotion::reduce_scatter},
      {"all_to_all", GroupMotion::all_to_all},
      {"broadcast", GroupMotion::broadcast},
      {"reduce", GroupMotion::reduce},
  }};
  const auto* const found = std::ranges::find(known, operation, &std::pair<std::string_view, GroupMotion>::first);
  return found == known.end() ? std::nullopt : std::optional(found->second);
}

LinkFit fit(const std::vector<const LinkRow*>& rows, double LinkRow::* seconds) {
  std::vector<LinkSample> samples;
  for (const LinkRow* const row : rows) {
    samples.push_back({.bytes = row->bus_bandwidth * row->seconds, .seconds = row->*seconds});
  }
  return fit_link(samples);
}

}  // namespace

CollectiveRates collective_rates(std::span<const LinkRow> rows, const AttentionRow& point, std::int64_t nodes) {
  CollectiveRates rates;
  if (point.ulysses != 1 && point.ulysses != point.ranks) {
    return rates;
  }
  std::array<std::vector<const LinkRow*>, group_motion_count> measured;
  for (const LinkRow& row : rows) {
    const std::optional<GroupMotion> motion = motion_of(row.operation.view());
    if (motion.has_value() && row.valid && row.ranks == point.ranks && row.nodes == nodes &&
        row.backend.view() == point.backend.view() && row.transport.view() == point.transport.view()) {
      measured[static_cast<std::size_t>(*motion)].push_back(&row);
    }
  }
  for (std::size_t motion = 0; motion < group_motion_count; ++motion) {
    const auto& of_motion = measured[motion];
    const auto is_longer = [&](const LinkRow* row) { return row->bytes != of_motion.front()->bytes; };
    if (std::ranges::none_of(of_motion, is_longer)) {
      continue;
    }
    const LinkFit usual = fit(of_motion, &LinkRow::seconds);
    const double slow = fit(of_motion, &LinkRow::seconds_max).bytes_per_second;
    const double fast = fit(of_motion, &LinkRow::seconds_min).bytes_per_second;
    rates[motion] = LinkRate{.bytes_per_second = {.value = usual.bytes_per_second,
                                                  .lowest = std::min(slow, usual.bytes_per_second),
                                                  .highest = std::max(fast, usual.bytes_per_second)},
                             .latency = usual.latency};
  }
  return rates;
}

}  // namespace ringworld
