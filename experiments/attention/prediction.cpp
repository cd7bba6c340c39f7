#include "experiments/attention/prediction.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <utility>

#include "core/error.hpp"
#include "experiments/attention/rate_measurement.hpp"
#include "experiments/common/cpu_sharing.hpp"
#include "kernels/attention/cost.hpp"

namespace ringworld {
namespace {

using Figure = double MeasuredRate::*;

LinkTime link_time(const RateTable& table, LinkLevel level, Figure figure, Port port) {
  if (table.links.empty()) {
    return {};  // one rank needs none
  }
  const LinkRate& link = table.link(level);
  return {.latency = link.latency, .bytes_per_second = link.bytes_per_second.*figure, .port = port};
}

/// What a pass is timed with.
struct Ground {
  const RateTable& table;
  const CollectiveRates& collectives;
  Port port;
  double overlap;
};

PlanRates plan_rates(const Ground& ground, Figure figure, bool* is_extrapolated) {
  const RateTable& table = ground.table;
  PlanRates rates;
  rates.block_seconds = block_seconds_of(table, figure, is_extrapolated);
  rates.node = link_time(table, LinkLevel::node, figure, Port::rank);
  rates.network = link_time(table, LinkLevel::network, figure, ground.port);
  for (std::size_t motion = 0; motion < group_motion_count; ++motion) {
    if (const auto& measured = ground.collectives[motion]; measured.has_value()) {
      rates.groups[motion] = {.latency = measured->latency, .bytes_per_second = measured->bytes_per_second.*figure};
    }
  }
  if (table.memory_bytes_per_second.value > 0) {
    rates.memory_bytes_per_second = table.memory_bytes_per_second.*figure;
  }
  rates.overlap = ground.overlap;
  return rates;
}

void use_given_link(const SweepOptions& values, RateTable& table) {
  if (values.link.empty()) {
    return;
  }
  const double bandwidth = values.link[0];
  const LinkRate link{.bytes_per_second = {.value = bandwidth, .lowest = bandwidth, .highest = bandwidth},
                      .latency = values.link[1]};
  table.links = {{.level = LinkLevel::node, .rate = link}, {.level = LinkLevel::network, .rate = link}};
}

/// FLOP of the visible pairs of all ranks.
double flop_of_row(const AttentionRow& row) { return row.causal ? row.flop_causal : row.flop_full; }

}  // namespace

Predictor::Predictor(const SweepOptions& values) : values_(values) {
  if (values.predict && !values.rates.empty()) {
    given_ = read_simulation(values.rates).rates;
    use_given_link(values, *given_);
  }
}

void Predictor::predict(const SweepPoint& point, double overlap, AttentionRow& row) const {
  require(given_.has_value(), "predictions without a run need rates");
  require_input(point.ranks == 1 || !given_->links.empty(),
                fmt::format("{} has no [[link]]: give --link", values_.rates));
  fill(point, *given_, fmt::format("{}, digest {:016x}", values_.rates, given_->digest()), overlap, row);
}

void Predictor::measure_and_predict(const Communicator& ring, const SweepPoint& point, PointResult& result) {
  const auto [found, is_new] =
      measured_.try_emplace({point.ranks, point.plan.backend, point.plan.problem.dtype, point.plan.threads});
  Measured& measured = found->second;
  if (is_new && !has_own_memory(device_of(point.plan.backend))) {
    measured.cpu_sharing = find_cpu_sharing(ring, point.plan.threads);
  }
  if (measured.cpu_sharing.has_value()) {
    result.row.predicted_from = std::string_view(fmt::format("none: {}", *measured.cpu_sharing));
    return;
  }
  const double overlap = result.overlap.has_value() ? overlap_of(*result.overlap) : values_.overlap;
  if (given_.has_value()) {
    // The root alone: of a thousand simulated ranks each would go through all plans again.
    on_root(ring, [&] { predict(point, overlap, result.row); });
    return;
  }
  measure_rates(ring, point, measured.table);
  use_given_link(values_, measured.table);
  measured.table.source = {
      .machine = {}, .dtype = std::string(name_of(point.plan.problem.dtype)), .date = {}, .record = values_.output};
  on_root(ring, [&] {
    fill(point, measured.table, fmt::format("measured in this run, digest {:016x}", measured.table.digest()), overlap,
         result.row);
  });
}

void Predictor::write_rates() const {
  if (values_.rates_output.empty() || measured_.empty()) {
    return;
  }
  std::ofstream file(values_.rates_output);
  file << measured_.rbegin()->second.table.to_toml() << std::flush;
  require_input(file.good(), fmt::format("--rates-output: cannot write {}", values_.rates_output));
}

void Predictor::fill(const SweepPoint& point, const RateTable& table, std::string from, double overlap,
                     AttentionRow& row) const {
  const TimedPass pass = timed_pass_of(point);
  const std::int64_t nodes = std::ssize(std::set<int>(point.nodes.begin(), point.nodes.end()));
  const CollectiveRates collectives = collective_rates(links_, row, nodes);
  if (std::ranges::any_of(collectives, [](const auto& measured) { return measured.has_value(); })) {
    from += "; collectives as in /links";
  }
  const Ground ground{.table = table, .collectives = collectives, .port = values_.port, .overlap = overlap};
  bool is_extrapolated = false;
  const PassTime time = time_pass(pass, plan_rates(ground, &MeasuredRate::value, &is_extrapolated));
  row.predicted_time = time.seconds;
  row.predicted_low = time_pass(pass, plan_rates(ground, &MeasuredRate::highest, nullptr)).seconds;
  row.predicted_high = time_pass(pass, plan_rates(ground, &MeasuredRate::lowest, nullptr)).seconds;
  row.predicted_overlap = overlap;
  row.predicted_extrapolated = is_extrapolated;
  row.predicted_from = std::string_view(from);
  const auto ranks = static_cast<double>(point.ranks);
  row.block_flops_per_second = flop_of_row(row) / time.compute_of_all;
  if (point.ranks > 1) {
    const bool has_network = std::ranges::any_of(point.nodes, [&](int node) { return node != point.nodes.front(); });
    row.link_bytes_per_second = table.link(has_network ? LinkLevel::network : LinkLevel::node).bytes_per_second.value;
    row.roofline_tokens = static_cast<double>(row.tokens_per_rank) *
                          (static_cast<double>(row.wire_bytes_model) / ranks / row.link_bytes_per_second) /
                          time.compute;
  }
}

double overlap_of(const OverlapProbe& probe) {
  double hidden = 0;
  double shorter = 0;
  for (std::size_t index = 0; index < probe.t_both.size(); ++index) {
    const double compute = probe.t_compute[index];
    const double transfer = probe.t_comm[index];
    if (std::isnan(transfer)) {
      continue;  // the step waits for nothing
    }
    const double least = std::min(compute, transfer);
    shorter += least;
    hidden += std::clamp(compute + transfer - probe.t_both[index], 0.0, least);
  }
  return shorter > 0 ? hidden / shorter : 1;
}

std::string prediction_table(std::span<const AttentionRow> rows) {
  std::string text =
      fmt::format("{:>9} {:>5} {:<18} {:<10} {:<16} {:>10} {:>21} {:>10} {:>6} {:>9}  {}\n", "context", "ranks",
                  "schedule", "layout", "pass", "predicted", "low to high", "measured", "ratio", "hidden", "rates");
  for (const AttentionRow& row : rows) {
    if (row.predicted_from.view().empty()) {
      continue;
    }
    const std::string schedule = fmt::format(
        "{}{}{}{}{}", row.schedule.view(), row.ulysses > 1 ? fmt::format("/u{}", row.ulysses) : std::string(),
        row.window > 0 ? fmt::format("/w{}", row.window) : std::string(),
        row.head_groups > 1 ? fmt::format("/g{}", row.head_groups) : std::string(), row.trim ? "/trim" : "");
    const bool has_both = row.predicted_time > 0 && row.step_time > 0;
    text += fmt::format(
        "{:>9} {:>5} {:<18} {:<10} {:<16} {:>10} {:>21} {:>10} {:>6} {:>9}  {}{}\n", row.context_length, row.ranks,
        schedule, row.layout.view(), row.pass.view(),
        row.predicted_time > 0 ? fmt::format("{:.4g} s", row.predicted_time) : "-",
        row.predicted_time > 0 ? fmt::format("{:.4g} to {:.4g}", row.predicted_low, row.predicted_high) : "-",
        row.step_time > 0 ? fmt::format("{:.4g} s", row.step_time) : "-",
        has_both ? fmt::format("{:.2f}", row.predicted_time / row.step_time) : "-",
        row.roofline_tokens > 0 ? fmt::format("c>={:.0f}", row.roofline_tokens) : "-", row.predicted_from.view(),
        row.predicted_extrapolated ? ", extrapolated" : "");
  }
  return text;
}

}  // namespace ringworld
