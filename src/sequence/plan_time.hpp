#pragma once
/// @file  The time of a pass that has not run: what plans and measured rates make of it. Pure functions.
///
/// Every rank does what the executor does (sequence/executor.hpp), and its clock moves on by each block, fold and wait:
///
///   clock of r    begin(r, s)   tasks of step s   sums are waited for, folded, sent on   operands   begin(r, s + 1)
///   message       leaves when both ends have posted it and its port is free; ends, on both,
///                 latency + bytes / bandwidth later
///
/// Ranks drift apart as they would: nothing is taken to be in lockstep.
///
/// Messages that share a port leave it after those of earlier steps, and with those of the same step in equal shares: a
/// port that has bytes to send never rests. What shares a port is a matter of the machine: the flows to one rank (a
/// cable to each neighbour), of one rank (a port into a switch), or of a whole node (one network card).
///
/// Source of the recursion: the dependences of Liu et al., arXiv:2310.01889, algorithm 1. Deviations: any plan.

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <vector>

#include "perf/rate_table.hpp"
#include "sequence/partition.hpp"
#include "sequence/plan.hpp"
#include "sequence/port.hpp"

namespace ringworld {

/// seconds = latency + bytes / bytes_per_second, where nothing shares the port.
struct LinkTime {
  double latency = 0;
  double bytes_per_second = std::numeric_limits<double>::infinity();
  Port port = Port::rank;
};

/// What several ranks do at once: hops, and for what a library does in a way of its own, what it reaches.
enum class GroupMotion : std::uint8_t { all_gather, reduce_scatter, broadcast, reduce, all_reduce, all_to_all };
inline constexpr std::size_t group_motion_count = 6;

struct PlanRates {
  /// Seconds of one call of the block kernel: all sequences and heads of the shape, `pairs` visible pairs of each.
  std::function<double(const AttentionShape& shape, double pairs)> block_seconds;
  LinkTime node;
  LinkTime network;
  /// Measured: bytes are those that the busiest rank must send or receive. Where nothing was measured,
  ///   all_gather, reduce_scatter, all_to_all   P - 1 latencies, and these bytes over the link
  ///   broadcast, reduce                        log2 P latencies, and the bytes once, pipelined
  ///   all_reduce                               twice a reduce
  std::array<std::optional<LinkTime>, group_motion_count> groups;
  /// Of packing, folding and the product of out and dout.
  double memory_bytes_per_second = std::numeric_limits<double>::infinity();
  /// Share of the shorter of a step's compute and communication that the longer one hides.
  double overlap = 1;
};

/// A pass, forward, backward or both, of all ranks of a sequence.
struct TimedPass {
  Schedule schedule;  ///< a double ring has its window
  AttentionProblem problem;
  Layout layout = Layout::zigzag;
  bool is_causal = true;
  AttentionPass pass = AttentionPass::forward;
  BackwardRotation rotation = BackwardRotation::kv;
  int ranks = 1;
  std::vector<int> nodes;  ///< of each rank (comm/nodes.hpp); empty: all on one
};

/// The clocks of all ranks, which begin at 0.
struct PassTime {
  struct Steps {
    int steps = 0;
    std::vector<double> begin;  ///< (ranks, steps + 1): of each step, and the end of the last
    [[nodiscard]] double at(int rank, int step) const {
      return begin[static_cast<std::size_t>(rank) * (static_cast<std::size_t>(steps) + 1) +
                   static_cast<std::size_t>(step)];
    }
  };
  std::optional<Steps> forward;  ///< of the schedule inside an exchange of heads, if there is one: of its first group
  std::optional<Steps> backward;
  double seconds = 0;         ///< until the last rank has ended
  double compute = 0;         ///< of the rank that computes longest, blocks alone
  double compute_of_all = 0;  ///< of all ranks together
};

/// Time O(P steps), 10^6 for a ring of 1,024; plans are made and dropped one after another.
/// @pre check_schedule passes; the window of a double ring is set
/// @throws Error(internal) when a plan receives what no other plan sends
[[nodiscard]] PassTime time_pass(const TimedPass& pass, const PlanRates& rates);

/// Flow control of one pass over plans of any making, from these clocks on; they become those at its end.
/// @param plan_of  the plan of each rank
/// @param rings  rings like this one that use the ports of the same nodes at the same time
struct TimedPlans {
  std::function<Plan(int rank)> plan_of;
  const AttentionProblem& problem;
  const Partition& partition;
  bool is_causal = true;
  bool is_backward = false;
  std::vector<int> nodes;
  int rings = 1;
};
[[nodiscard]] PassTime::Steps time_plans(const TimedPlans& plans, const PlanRates& rates, std::vector<double>& clocks,
                                         std::vector<double>& compute);

/// `block_seconds` by a table of rates: 4 or 10 D FLOP a visible pair and head.
/// @param figure  which of the three figures of each rate
/// @param is_extrapolated  set when a shape lies outside what was measured; may be null
/// The table must outlive the function.
[[nodiscard]] std::function<double(const AttentionShape&, double)> block_seconds_of(const RateTable& table,
                                                                                    double MeasuredRate::* figure,
                                                                                    bool* is_extrapolated);

}  // namespace ringworld
