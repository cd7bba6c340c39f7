#pragma once
/// @file  A point of a sweep drawn as text: what every rank computes and receives, step by step, and what that costs.
/// Everything is read off the plan (sequence/plan.hpp), nothing runs.

#include <string>

#include "experiments/attention/config.hpp"

namespace ringworld {

/// One table for each pass of the point: steps go across, ranks down (the first eight). A cell names the blocks that
/// are computed with by the rank that owns them, and below what arrives meanwhile: "<k3" is keys and values of rank 3,
/// "<dk3" their gradients.
[[nodiscard]] std::string draw_plan(const SweepPoint& point);

}  // namespace ringworld
