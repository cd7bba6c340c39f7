/// @file  Sequences whose length the ring does not divide train as they do on one rank. Tolerance in fp32: 1e-5 of a loss.

#include <gtest/gtest.h>

#include <algorithm>

#include "support/available_device.hpp"
#include "train/training_problem.hpp"

namespace ringworld {
namespace {

using test::Listener;
using test::SharedDirectory;
using test::small_plan;
using test::small_run;

/// Meshes of all ranks of the job that have a ring, beside tensor parallelism, sharding or none.
std::vector<MeshShape> ring_meshes(std::int64_t ranks) {
  std::vector<MeshShape> meshes{{{1, 1, 1, ranks}}};
  if (ranks == 4) {
    meshes.push_back({{1, 2, 1, 2}});
    meshes.push_back({{1, 1, 2, 2}});
    meshes.push_back({{2, 1, 1, 2}});
  }
  return meshes;
}

/// Two stages: a length that is prime, and one that leaves ranks of a ring of three or four without a token.
TrainingPlan uneven_plan(const MeshShape& mesh, std::int64_t steps = 6) {
  TrainingPlan plan = small_plan(mesh, steps);
  plan.stages[0].context_length = 61;
  Stage next = plan.stages[0];
  next.context_length = 3;
  next.steps = std::min<std::int64_t>(steps, 4);
  next.carries_optimizer = true;
  plan.stages.push_back(next);
  return plan;
}

Listener run_of(const Communicator& world, const TrainingPlan& plan, const std::filesystem::path& checkpoint) {
  Listener listener;
  train(world, small_run(plan, checkpoint), listener);
  return listener;
}

/// What one rank alone computes, on every rank.
Listener run_alone(const Communicator& world, const SharedDirectory& directory, std::int64_t steps = 6) {
  const Communicator self = world.split(world.rank(), 0);
  return run_of(self, uneven_plan(MeshShape{{1, 1, 1, 1}}, steps),
                directory / ("alone-" + std::to_string(world.rank()) + ".h5"));
}

void expect_same_steps(const Listener& actual, const Listener& expected, double tolerance, const std::string& what) {
  ASSERT_EQ(actual.steps.size(), expected.steps.size()) << what;
  for (std::size_t step = 0; step < expected.steps.size(); ++step) {
    const TrainingStepRow& row = actual.steps[step];
    const TrainingStepRow& right = expected.steps[step];
    ASSERT_NEAR(row.loss, right.loss, tolerance * right.loss) << what << ", step " << step;
    ASSERT_NEAR(row.grad_norm, right.grad_norm, 10 * tolerance * right.grad_norm) << what << ", step " << step;
    EXPECT_EQ(row.tokens, right.tokens) << what;
    EXPECT_EQ(row.flop_causal, right.flop_causal) << what;
  }
}

TEST(TrainingLengths, UnevenOnesHaveTheLossesOfOneRank) {
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  const Listener expected = run_alone(world, directory);
  for (const Layout layout : {Layout::contiguous, Layout::striped, Layout::zigzag}) {
    for (const MeshShape& mesh : ring_meshes(world.size())) {
      TrainingPlan plan = uneven_plan(mesh);
      plan.layout = layout;
      const std::string what = mesh.to_string() + " " + std::string(name_of(layout));
      const Listener actual = run_of(world, plan, directory / "model.h5");
      expect_same_steps(actual, expected, 1e-5, what);
      for (const TrainingStageRow& stage : actual.stages) {
        EXPECT_EQ(stage.tokens_per_rank, Partition(layout, stage.context_length, mesh[MeshAxis::sp]).tokens_per_rank())
            << what;
        EXPECT_EQ(stage.peak_bytes, stage.peak_bytes_model) << what;
      }
    }
  }
}

TEST(TrainingLengths, UnevenOnesHaveTheLossesOfOneRankOnAGpu) {
  if (const std::string reason = test::why_unavailable(Backend::cuda); !reason.empty()) {
    GTEST_SKIP() << reason;
  }
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  constexpr std::int64_t steps = 2;
  const Listener expected = run_alone(world, directory, steps);
  TrainingPlan plan = uneven_plan(MeshShape{{1, 1, 1, world.size()}}, steps);
  plan.backend = Backend::cuda;
  expect_same_steps(run_of(world, plan, directory / "model.h5"), expected, 1e-4, "cuda");
}

}  // namespace
}  // namespace ringworld
