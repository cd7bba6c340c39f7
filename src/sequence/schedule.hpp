#pragma once
/// @file  The schedules: what travels between the ranks of one sequence, when, and who computes with it.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace ringworld {

/// Which operands travel in the backward pass.
enum class BackwardRotation : std::uint8_t {
  kv,  ///< keys and values, and the fp32 sums dK and dV behind them; queries stay
  q,   ///< queries, dO, maximum, sum and delta, and the fp32 sum dQ behind them; keys and values stay
};

/// Records from before there was a choice have no column for it: they were measured with `ring`, and rows begin with that.
enum class ScheduleKind : std::uint8_t {
  ring,               ///< blocks go from each rank to the next, one hop a step, behind the compute
  all_gather,         ///< every rank gathers all blocks at once, behind the compute of its own
  bidirectional,      ///< two rings: the first half of every run goes up, the other goes down
  double_ring,        ///< rings of W neighbours; meanwhile whole blocks go from one such ring to the next
  broadcast,          ///< every rank in turn sends its keys to all, who compute with the same block in the same step
  broadcast_queries,  ///< the same with queries; partial results are reduced to their owner
  pass_q,             ///< a ring of queries; their partial results follow, and keys stay
};

inline constexpr auto schedule_names = std::to_array<std::string_view>({
    "ring",
    "all_gather",
    "bidirectional",
    "double_ring",
    "broadcast",
    "broadcast_queries",
    "pass_q",
});

[[nodiscard]] constexpr std::string_view name_of(ScheduleKind kind) noexcept {
  return schedule_names[static_cast<std::size_t>(kind)];
}

/// A schedule and its parameters.
struct Schedule {
  // NOLINTNEXTLINE(google-explicit-constructor): a kind alone is a schedule, with the parameters that leave it as it is.
  constexpr Schedule(ScheduleKind of_kind = ScheduleKind::ring) : kind(of_kind) {}

  ScheduleKind kind;
  int ulysses = 1;          ///< U: ranks among which heads are exchanged, so that the schedule runs over P/U ranks
  int window = 0;           ///< W of double_ring; 0: the ranks of a node
  int head_groups = 1;      ///< of an exchange, else of all_gather: one group travels while another is computed
  bool is_trimmed = false;  ///< of ring: what the mask hides from all ranks still to come travels no further

  friend bool operator==(const Schedule&, const Schedule&) = default;
};

/// "double_ring, window 4, ulysses 2": what is not as usual.
[[nodiscard]] std::string describe(const Schedule& schedule);

struct Plan;
struct PlanRequest;

/// The plans, one function a kind of plan, for two ranks or more. To be called by make_plan (sequence/plan.hpp) alone.
[[nodiscard]] Plan make_ring_plan(const PlanRequest& request);
[[nodiscard]] Plan make_all_gather_plan(const PlanRequest& request);
[[nodiscard]] Plan make_double_ring_plan(const PlanRequest& request);
[[nodiscard]] Plan make_broadcast_plan(const PlanRequest& request);

}  // namespace ringworld
