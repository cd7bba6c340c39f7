#pragma once
/// @file  The schedules: what travels between the ranks of one sequence, when, and who computes with it.

#include <array>
#include <cstdint>
#include <string_view>

namespace ringworld {

/// Which operands travel in the backward pass.
enum class BackwardRotation : std::uint8_t {
  kv,  ///< keys and values, and the fp32 sums dK and dV behind them; queries stay
  q,   ///< queries, dO, maximum, sum and delta, and the fp32 sum dQ behind them; keys and values stay
};

/// Records from before there was a choice have no column for it: they were measured with `ring`, and rows begin with that.
enum class Schedule : std::uint8_t {
  ring,        ///< blocks go from each rank to the next, one hop a step, behind the compute
  all_gather,  ///< every rank gathers all blocks at once, behind the compute of its own
};

inline constexpr auto schedule_names = std::to_array<std::string_view>({
    "ring",
    "all_gather",
});

[[nodiscard]] constexpr std::string_view name_of(Schedule schedule) noexcept {
  return schedule_names[static_cast<std::size_t>(schedule)];
}

struct Plan;
struct PlanRequest;

/// The plans, one function a schedule, for two ranks or more. To be called by make_plan (sequence/plan.hpp) alone.
[[nodiscard]] Plan make_ring_plan(const PlanRequest& request);
[[nodiscard]] Plan make_all_gather_plan(const PlanRequest& request);

}  // namespace ringworld
