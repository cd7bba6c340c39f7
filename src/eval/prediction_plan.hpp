#pragma once
/// @file  Memory of a pass that predicts, found by constructing the rank's model on a device that only counts bytes.

#include "comm/mesh.hpp"
#include "model/config.hpp"
#include "model/model.hpp"

namespace ringworld {

/// Bytes that a RingPredictor of these options adds to those of the parameters on rank `rank` of the mesh, where its
/// kernels compute, at the moment when it holds most.
/// @throws Error(bad_input) as ParameterLayout and Model do
[[nodiscard]] std::int64_t plan_prediction(const ModelConfig& config, const ModelOptions& options,
                                           const MeshShape& mesh, std::int64_t rank);

}  // namespace ringworld
