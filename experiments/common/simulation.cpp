#include "experiments/common/simulation.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <filesystem>
#include <optional>

#include "core/error.hpp"

namespace ringworld {
namespace {

std::optional<double> rate_in(const std::string& text) {
  double rate = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), rate);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(rate) : std::nullopt;
}

RateTable table_of(double flops_per_second) {
  const MeasuredRate rate{.value = flops_per_second, .lowest = flops_per_second, .highest = flops_per_second};
  RateTable table;
  table.source.machine = "one rate for all kernels";
  for (const bool is_backward : {false, true}) {
    for (const bool is_causal : {false, true}) {
      table.attention.push_back({.shape = {.is_backward = is_backward,
                                           .is_causal = is_causal,
                                           .query_tokens = 1024,
                                           .key_tokens = 1024,
                                           .head_size = 64,
                                           .heads = 1},
                                 .flops_per_second = rate});
    }
  }
  table.matmul.push_back({.shape = {.m = 1024, .n = 1024, .k = 1024}, .flops_per_second = rate});
  return table;
}

}  // namespace

bool is_single_rate(const std::string& rates) { return rate_in(rates).has_value(); }

Simulation read_simulation(const std::string& rates) {
  Simulation simulation;
  if (const auto rate = rate_in(rates)) {
    require_input(std::isfinite(*rate) && *rate > 0,
                  fmt::format("--rates {}: FLOP/s must be above 0, as in --rates 1e12", rates));
    simulation.rates = table_of(*rate);
    simulation.name = fmt::format("{:g} FLOP/s", *rate);
  } else {
    require_input(!rates.empty(),
                  "--backend simulated needs --rates: a TOML file of measured rates, or the FLOP/s of every kernel, as "
                  "in --rates 1e12");
    simulation.rates = read_rate_table(rates);
    simulation.name = std::filesystem::path(rates).stem().string();
  }
  simulation.digest = fmt::format("{:016x}", simulation.rates.digest());
  return simulation;
}

double seconds_of(const RateTable& rates, const Cost& cost) {
  switch (cost.kind) {
    case WorkKind::attention_forward:
    case WorkKind::attention_backward:
      if (cost.flop > 0) {
        return cost.flop / rates
                               .attention_rate({.is_backward = cost.kind == WorkKind::attention_backward,
                                                .is_causal = cost.is_cut,
                                                .query_tokens = cost.rows,
                                                .key_tokens = cost.columns,
                                                .head_size = cost.depth,
                                                .heads = cost.heads})
                               .rate.value;
      }
      return 0;
    case WorkKind::product:
      return cost.flop > 0
                 ? cost.flop / rates.matmul_rate({.m = cost.rows, .n = cost.columns, .k = cost.depth}).rate.value
                 : 0;
    case WorkKind::elementwise:
      break;
  }
  const double bandwidth = rates.memory_bytes_per_second.value;
  return bandwidth > 0 ? cost.bytes / bandwidth : 0;
}

}  // namespace ringworld
