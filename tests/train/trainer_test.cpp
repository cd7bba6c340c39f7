#include "train/trainer.hpp"

#include <gtest/gtest.h>

#include "support/available_device.hpp"
#include "support/expect_error.hpp"
#include "train/stage_summary.hpp"
#include "train/training_problem.hpp"

namespace ringworld {
namespace {

using test::Listener;
using test::SharedDirectory;
using test::small_plan;
using test::small_run;

MeshShape mesh(std::int64_t dp, std::int64_t fsdp, std::int64_t tp, std::int64_t sp) { return {{dp, fsdp, tp, sp}}; }

/// Meshes of all ranks of the job.
std::vector<MeshShape> meshes_of(int ranks) {
  if (ranks == 4) {
    return {mesh(1, 1, 1, 4), mesh(1, 2, 1, 2), mesh(2, 1, 2, 1), mesh(1, 4, 1, 1), mesh(1, 1, 2, 2)};
  }
  return {mesh(1, 1, 1, ranks), mesh(ranks, 1, 1, 1), mesh(1, 1, ranks, 1)};
}

std::vector<TrainingStepRow> steps_of(const Communicator& world, const TrainingRun& run) {
  Listener listener;
  train(world, run, listener);
  return listener.steps;
}

/// What one rank alone computes, on every rank.
std::vector<TrainingStepRow> steps_alone(const Communicator& world, const std::filesystem::path& checkpoint,
                                         std::int64_t steps) {
  const Communicator self = world.split(world.rank(), 0);
  auto path = checkpoint;
  path += std::to_string(world.rank());
  return steps_of(self, small_run(small_plan(mesh(1, 1, 1, 1), steps), path));
}

TEST(Trainer, SameLossesOnEveryMeshAndLayout) {
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  constexpr std::int64_t steps = 30;
  const auto expected = steps_alone(world, directory / "alone.h5", steps);
  ASSERT_EQ(expected.size(), static_cast<std::size_t>(steps));
  EXPECT_LT(expected.back().loss, 0.9 * expected.front().loss) << "it does not learn";
  for (const Layout layout : {Layout::zigzag, Layout::striped}) {
    for (const MeshShape& shape : meshes_of(world.size())) {
      TrainingPlan plan = small_plan(shape, steps);
      plan.layout = layout;
      const auto actual = steps_of(world, small_run(plan, directory / "model.h5"));
      ASSERT_EQ(actual.size(), expected.size());
      for (std::size_t step = 0; step < expected.size(); ++step) {
        ASSERT_NEAR(actual[step].loss, expected[step].loss, 1e-5 * expected[step].loss)
            << shape.to_string() << " " << name_of(layout) << ", step " << step;
        ASSERT_NEAR(actual[step].grad_norm, expected[step].grad_norm, 1e-4 * expected[step].grad_norm)
            << shape.to_string() << " " << name_of(layout) << ", step " << step;
        ASSERT_EQ(actual[step].answer_accuracy, expected[step].answer_accuracy);
      }
    }
  }
}

TEST(Trainer, AccumulatedGradientsAreThoseOfTheWholeBatch) {
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  TrainingPlan plan = small_plan(mesh(1, 1, 1, world.size()), 8);
  const auto whole = steps_of(world, small_run(plan, directory / "whole.h5"));
  plan.stages[0].micro_batch = 1;
  const auto parts = steps_of(world, small_run(plan, directory / "parts.h5"));
  for (std::size_t step = 0; step < whole.size(); ++step) {
    EXPECT_NEAR(parts[step].loss, whole[step].loss, 1e-5 * whole[step].loss);
  }
}

TrainingPlan two_stages(const MeshShape& first, const MeshShape& second) {
  TrainingPlan plan = small_plan(first, 6);
  Stage next = plan.stages[0];
  next.mesh = second;
  next.context_length = 48;
  next.rope_theta = 1024.0;
  next.carries_optimizer = true;
  plan.stages.push_back(next);
  return plan;
}

TEST(Trainer, ResumesBitForBit) {
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  const MeshShape shape = mesh(1, world.size() == 4 ? 2 : 1, 1, world.size() == 4 ? 2 : world.size());
  TrainingRun run = small_run(two_stages(shape, shape), directory / "model.h5");
  const auto expected = steps_of(world, run);
  run.checkpoint.every_steps = 2;
  // In the middle of a stage, right after a checkpoint, and in the second stage.
  for (const std::size_t stop : {std::size_t{4}, std::size_t{5}, std::size_t{11}}) {
    run.checkpoint.path = directory / ("stopped-" + std::to_string(stop) + ".h5");
    run.is_resumed = false;
    Listener killed(stop);
    EXPECT_THROW(train(world, run, killed), Listener::Stopped);
    run.is_resumed = true;
    const auto resumed = steps_of(world, run);
    ASSERT_FALSE(resumed.empty());
    const std::size_t begin = expected.size() - resumed.size();
    EXPECT_LE(begin, stop);
    for (std::size_t step = begin; step < expected.size(); ++step) {
      EXPECT_EQ(resumed[step - begin].loss, expected[step].loss) << "stopped after " << stop << ", step " << step;
      EXPECT_EQ(resumed[step - begin].grad_norm, expected[step].grad_norm);
    }
  }
}

/// Meshes whose parameters are shared out, over the ring and over the batch, on every backend with memory of its own.
std::vector<std::pair<Backend, MeshShape>> device_runs(std::int64_t ranks) {
  std::vector<std::pair<Backend, MeshShape>> runs;
  for (const Backend backend : test::backends_with_own_memory()) {
    runs.emplace_back(backend, mesh(1, 1, 1, ranks));
    runs.emplace_back(backend, mesh(1, ranks, 1, 1));
  }
  return runs;
}

/// fp32 on both: what differs is the order of sums, and products of a GPU that may be sums of rounded parts. Four updates
/// carry it on.
TEST(Trainer, SameLossesOnADevice) {
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  constexpr std::int64_t steps = 4;
  const auto expected = steps_alone(world, directory / "alone.h5", steps);
  for (const auto& [backend, shape] : device_runs(world.size())) {
    TrainingPlan plan = small_plan(shape, steps);
    plan.backend = backend;
    Listener listener;
    train(world, small_run(plan, directory / "model.h5"), listener);
    ASSERT_EQ(listener.steps.size(), expected.size());
    for (std::size_t step = 0; step < expected.size(); ++step) {
      const TrainingStepRow& row = listener.steps[step];
      EXPECT_NEAR(row.loss, expected[step].loss, 1e-4 * expected[step].loss) << shape.to_string() << ", step " << step;
      EXPECT_NEAR(row.grad_norm, expected[step].grad_norm, 1e-3 * expected[step].grad_norm)
          << shape.to_string() << ", step " << step;
      EXPECT_GT(row.attention_time, 0);
      EXPECT_GT(row.product_time, 0);
    }
    EXPECT_GT(listener.stages[0].peak_bytes, 0);
    // The plan leaves out a double for the sum of squares of each tensor.
    constexpr std::int64_t sums_bytes = 1024;
    EXPECT_LE(listener.stages[0].peak_bytes, listener.stages[0].peak_bytes_model + sums_bytes);
  }
}

/// A sum's order on a GPU is that of its kernels: attention adds gradients of queries as blocks end, so that a resumed run
/// need not have the same bits.
TEST(Trainer, ResumesOnADevice) {
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  for (const auto& [backend, shape] : device_runs(world.size())) {
    TrainingRun run = small_run(small_plan(shape, 5), directory / "model.h5");
    run.plan.backend = backend;
    const auto expected = steps_of(world, run);
    run.checkpoint.every_steps = 2;
    run.is_resumed = false;
    Listener killed(3);
    EXPECT_THROW(train(world, run, killed), Listener::Stopped);
    run.is_resumed = true;
    const auto resumed = steps_of(world, run);
    ASSERT_EQ(resumed.size(), 3U);
    for (std::size_t step = 0; step < resumed.size(); ++step) {
      EXPECT_NEAR(resumed[step].loss, expected[step + 2].loss, 1e-5 * expected[step + 2].loss) << shape.to_string();
    }
  }
}

TEST(Trainer, TheTimeOfAStepIsShownByKindOfWork) {
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  Listener listener;
  train(world, small_run(small_plan(mesh(1, 1, 1, world.size()), 3), directory / "model.h5"), listener);
  for (const TrainingStepRow& row : listener.steps) {
    EXPECT_GT(row.attention_time, 0);
    EXPECT_GT(row.product_time, 0);
    EXPECT_GT(row.elementwise_time, 0);
    EXPECT_EQ(row.communication_time > 0, world.size() > 1);
    EXPECT_NEAR(row.attention_time + row.product_time + row.elementwise_time + row.communication_time + row.idle_time,
                row.step_time, 1e-9);
  }
  TrainingStageRow stage = listener.stages.at(0);
  summarise_steps(listener.steps, stage);
  EXPECT_NEAR(stage.attention_share + stage.product_share + stage.elementwise_share + stage.communication_share +
                  stage.idle_share,
              1.0, 1e-9);
}

TEST(Trainer, GoesOnOnAnotherMesh) {
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  const auto ranks = static_cast<std::int64_t>(world.size());
  const auto expected =
      steps_of(world, small_run(two_stages(mesh(1, 1, 1, ranks), mesh(1, 1, 1, ranks)), directory / "same.h5"));
  Listener listener;
  train(world, small_run(two_stages(mesh(1, 1, 1, ranks), mesh(1, ranks, 1, 1)), directory / "other.h5"), listener);
  for (std::size_t step = 0; step < expected.size(); ++step) {
    EXPECT_NEAR(listener.steps[step].loss, expected[step].loss, 1e-5 * expected[step].loss) << "step " << step;
  }
  ASSERT_EQ(listener.stages.size(), 2U);
  EXPECT_EQ(listener.stages[1].reshard_seconds > 0, ranks > 1);
}

TEST(Trainer, AStageEndsAtItsAccuracyOrFails) {
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  TrainingPlan plan = small_plan(mesh(1, 1, 1, world.size()), 400);
  plan.stages[0].learning_rate = {.peak = 1e-2};
  plan.stages[0].needle_template = "short1";
  plan.stages[0].stop_when_answer_accuracy = 0.2;
  const auto steps = steps_of(world, small_run(plan, directory / "reached.h5"));
  EXPECT_LT(steps.size(), 400U);
  plan.stages[0].stop_when_answer_accuracy = 0.999;
  plan.stages[0].steps = 5;
  Listener listener;
  test::expect_error(ErrorKind::check_failed, [&] { train(world, small_run(plan, directory / "missed.h5"), listener); },
                     {"stage 0", "after 5 steps and must pass 0.999", "another seed"});
  ASSERT_EQ(listener.stages.size(), 1U);
  EXPECT_FALSE(listener.stages[0].valid);
}

TEST(Trainer, RefusesTheCheckpointOfAnotherConfiguration) {
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  TrainingRun run = small_run(small_plan(mesh(1, 1, 1, world.size()), 2), directory / "model.h5");
  static_cast<void>(steps_of(world, run));
  run.is_resumed = true;
  run.plan.model.ffn_size = 64;
  Listener listener;
  test::expect_error(ErrorKind::bad_input, [&] { train(world, run, listener); },
                     {"model.h5", "intermediate_size = 56, the configuration says 64"});
  run.plan.model.ffn_size = 56;
  run.plan.seed = 8;
  test::expect_error(ErrorKind::bad_input, [&] { train(world, run, listener); },
                     {"model.h5", "seed 7, this run has 8"});
}

}  // namespace
}  // namespace ringworld
