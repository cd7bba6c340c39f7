#pragma once
/// @file  One optimiser step on kernels that compute nothing: all messages and all costs of training, no loss.

#include <cstdint>

#include "comm/communicator.hpp"
#include "comm/rank_traffic.hpp"
#include "device/profile.hpp"
#include "train/stage.hpp"

namespace ringworld {

struct SimulatedStep {
  double seconds = 0;   ///< of the slowest rank
  WorkSeconds work;     ///< by kind, mean over ranks
  RankTraffic traffic;  ///< of all ranks
};

/// Takes one step of the stage on a model that is the plan's with so many layers. Collective over `world`, which the
/// stage's mesh uses whole.
/// @pre the plan's backend computes nothing, and its time is set (device/simulated/simulated_device.hpp)
[[nodiscard]] SimulatedStep simulate_step(const Communicator& world, const TrainingPlan& plan, const Stage& stage,
                                          std::int64_t layers);

/// The step with `layers`, from one with `few` layers and one with `more`: layers are alike, so what they add is the
/// same each, and the rest (embedding, head, what cannot be hidden at the ends of a pass) is there once.
/// @pre few < more <= layers
[[nodiscard]] SimulatedStep extrapolate(const SimulatedStep& with_few, std::int64_t few, const SimulatedStep& with_more,
                                        std::int64_t more, std::int64_t layers);

}  // namespace ringworld
