#include "sequence/plan_time.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <utility>

#include "sequence/exchange_block.hpp"
#include "sequence/plan_timing/head_exchange_time.hpp"
#include "sequence/plan_timing/rank_work.hpp"

namespace ringworld {
namespace {

using plan_timing::Exchanges;
using plan_timing::index_of;

/// One pass of all ranks, from the clocks on.
PassTime::Steps time_one(const TimedPass& pass, const PlanRates& rates, AttentionPass direction,
                         std::vector<double>& clocks, std::vector<double>& compute) {
  const bool is_backward = direction == AttentionPass::backward;
  const int ulysses = pass.schedule.ulysses;
  const Partition partition(pass.layout, pass.problem.context_length, pass.ranks, ulysses);
  const auto plan_of = [&](const Schedule& schedule, int ranks) {
    return [&pass, direction, schedule, ranks](int rank) {
      return make_plan(schedule, direction, pass.rotation, ranks, rank);
    };
  };
  if (is_backward) {
    const std::int64_t row_bytes =
        2 * pass.problem.batch * pass.problem.heads * pass.problem.head_size * size_of(pass.problem.dtype);
    for (std::size_t rank = 0; rank < clocks.size(); ++rank) {
      clocks[rank] += static_cast<double>(partition.tokens(static_cast<std::int64_t>(rank)) * row_bytes) /
                      rates.memory_bytes_per_second;
    }
  }
  if (ulysses == 1) {
    return time_plans({.plan_of = plan_of(pass.schedule, pass.ranks),
                       .problem = pass.problem,
                       .partition = partition,
                       .is_causal = pass.is_causal,
                       .is_backward = is_backward,
                       .nodes = pass.nodes},
                      rates, clocks, compute);
  }
  const ExchangeCargo out = is_backward ? ExchangeCargo::backward_operands : ExchangeCargo::forward_operands;
  const ExchangeCargo back = is_backward ? ExchangeCargo::gradients : ExchangeCargo::results;
  Exchanges exchanges(pass, rates, partition, clocks);
  const Partition of_rings = partition_of_rings(partition);
  const AttentionProblem problem = exchanged_problem(pass.problem, pass.schedule);
  const int ranks = pass.ranks / ulysses;
  const auto together = std::count(pass.nodes.begin(), pass.nodes.begin() + ulysses, pass.nodes.front());
  const auto time_rings = [&] {
    PassTime::Steps all;
    for (int ring = 0; ring < ulysses; ++ring) {
      std::vector<int> nodes;
      std::vector<double> clocks_of_ring;
      std::vector<double> compute_of_ring(index_of(ranks));
      for (int rank = ring; rank < pass.ranks; rank += ulysses) {
        nodes.push_back(pass.nodes[index_of(rank)]);
        clocks_of_ring.push_back(clocks[index_of(rank)]);
      }
      const PassTime::Steps steps = time_plans({.plan_of = plan_of(schedule_of_rings(pass.schedule), ranks),
                                                .problem = problem,
                                                .partition = of_rings,
                                                .is_causal = pass.is_causal,
                                                .is_backward = is_backward,
                                                .nodes = nodes,
                                                .rings = static_cast<int>(together)},
                                               rates, clocks_of_ring, compute_of_ring);
      all.steps = steps.steps;
      const std::size_t row = index_of(steps.steps) + 1;
      all.begin.resize(index_of(pass.ranks) * row);
      for (int member = 0; member < ranks; ++member) {
        const std::size_t rank = index_of(member * ulysses + ring);
        clocks[rank] = clocks_of_ring[index_of(member)];
        compute[rank] += compute_of_ring[index_of(member)];
        std::copy_n(steps.begin.begin() + static_cast<std::ptrdiff_t>(index_of(member) * row), row,
                    all.begin.begin() + static_cast<std::ptrdiff_t>(rank * row));
      }
    }
    return all;
  };
  // As HeadExchange goes over its groups of heads.
  const int groups = exchange_groups(pass.schedule);
  PassTime::Steps of_first;
  std::vector<double> operands = exchanges.start(out);
  std::vector<double> results;
  for (int group = 0; group < groups; ++group) {
    exchanges.finish(out, operands);
    if (group + 1 < groups) {
      operands = exchanges.start(out);
    }
    PassTime::Steps steps = time_rings();
    if (group == 0) {
      of_first = std::move(steps);
    }
    const std::vector<double> before = std::exchange(results, exchanges.start(back));
    if (group > 0) {
      exchanges.finish(back, before);
    }
  }
  exchanges.finish(back, results);
  return of_first;
}

}  // namespace

PassTime time_pass(const TimedPass& pass, const PlanRates& rates) {
  TimedPass all = pass;
  all.nodes.resize(index_of(pass.ranks), pass.nodes.empty() ? 0 : pass.nodes.back());
  std::vector<double> clocks(index_of(pass.ranks));
  std::vector<double> compute(clocks.size());
  PassTime time;
  if (pass.pass != AttentionPass::backward) {
    time.forward = time_one(all, rates, AttentionPass::forward, clocks, compute);
  }
  if (pass.pass != AttentionPass::forward) {
    time.backward = time_one(all, rates, AttentionPass::backward, clocks, compute);
  }
  time.seconds = std::ranges::max(clocks);
  time.compute = std::ranges::max(compute);
  time.compute_of_all = std::accumulate(compute.begin(), compute.end(), 0.0);
  return time;
}

std::function<double(const AttentionShape&, double)> block_seconds_of(const RateTable& table,
                                                                      double MeasuredRate::* figure,
                                                                      bool* is_extrapolated) {
  return [&table, figure, is_extrapolated](const AttentionShape& shape, double pairs) {
    const RateAt found = table.attention_rate(shape);
    if (is_extrapolated != nullptr) {
      *is_extrapolated = *is_extrapolated || found.is_extrapolated;
    }
    const double flop_a_pair =
        (shape.is_backward ? 10.0 : 4.0) * static_cast<double>(shape.head_size) * static_cast<double>(shape.heads);
    return flop_a_pair * pairs / (found.rate.*figure);
  };
}

}  // namespace ringworld
