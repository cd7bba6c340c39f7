#include "train/adamw_shards.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "comm/mesh.hpp"
#include "train/training_problem.hpp"

namespace ringworld {
namespace {

std::vector<MeshShape> meshes_of(std::int64_t ranks) {
  return {{{1, 1, 1, ranks}}, {{ranks, 1, 1, 1}}, {{1, ranks, 1, 1}}, {{1, 1, ranks, 1}}};
}

TEST(AdamWShards, NormCountsEveryElementOnce) {
  const Communicator world = Communicator::world();
  for (const MeshShape& shape : meshes_of(world.size())) {
    const Mesh mesh(world, shape);
    const TrainingPlan plan = test::small_plan(shape, 1);
    ShardedParameters parameters(plan.model, mesh);
    AdamWShards optimizer(parameters, plan.optimizer, Backend::host);
    // Only what belongs to tensors: padding does not count.
    for (const ParameterPiece& piece : parameters.pieces()) {
      std::ranges::fill(piece.gradient, 2.0F);
    }
    const auto elements = static_cast<double>(parameter_count(plan.model));
    EXPECT_NEAR(optimizer.gradient_norm(), 2.0 * std::sqrt(elements), 1e-9 * elements) << shape.to_string();
  }
}

TEST(AdamWShards, ClipsToTheNormAndDecaysMatricesOnly) {
  const Communicator world = Communicator::world();
  const Mesh mesh(world, {{1, 1, 1, world.size()}});
  const TrainingPlan plan = test::small_plan(mesh.shape(), 1);
  ShardedParameters parameters(plan.model, mesh);
  const AdamWSettings settings{.weight_decay = 0.5, .clip = 1.0};
  AdamWShards optimizer(parameters, settings, Backend::reference);
  for (const ParameterPiece& piece : parameters.pieces()) {
    std::ranges::fill(piece.parameter, 1.0F);
    std::ranges::fill(piece.gradient, 4.0F);
  }
  const double norm = optimizer.gradient_norm();
  optimizer.step(0.1, norm);
  for (const ParameterPiece& piece : parameters.pieces()) {
    // The first moment is (1 - beta1) times the clipped gradient; the first update is of length 1.
    EXPECT_NEAR(optimizer.first_moment(piece)[0], 0.1 * 4.0 / norm, 1e-7);
    EXPECT_NEAR(piece.parameter[0], 1.0 - 0.1 * (1.0 + (piece.is_decayed() ? 0.5 : 0.0)), 1e-4) << piece.tensor->name;
  }
  EXPECT_EQ(optimizer.updates(), 1);
}

}  // namespace
}  // namespace ringworld
