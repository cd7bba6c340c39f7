#include "train/trainer.hpp"

#include <gtest/gtest.h>

#include <cmath>

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

Listener run_of(const Communicator& world, const TrainingRun& run) {
  Listener listener;
  train(world, run, listener);
  return listener;
}

std::vector<TrainingStepRow> steps_of(const Communicator& world, const TrainingRun& run) {
  return run_of(world, run).steps;
}

/// What one rank alone computes, on every rank.
Listener run_alone(const Communicator& world, const std::filesystem::path& checkpoint, std::int64_t steps) {
  const Communicator self = world.split(world.rank(), 0);
  auto path = checkpoint;
  path += std::to_string(world.rank());
  return run_of(self, small_run(small_plan(mesh(1, 1, 1, 1), steps), path));
}

std::vector<TrainingStepRow> steps_alone(const Communicator& world, const std::filesystem::path& checkpoint,
                                         std::int64_t steps) {
  return run_alone(world, checkpoint, steps).steps;
}

TEST(Trainer, SameLossesOnEveryMeshAndLayout) {
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  constexpr std::int64_t steps = 30;
  const Listener alone = run_alone(world, directory / "alone.h5", steps);
  const std::vector<TrainingStepRow>& expected = alone.steps;
  ASSERT_EQ(expected.size(), static_cast<std::size_t>(steps));
  EXPECT_LT(expected.back().loss, 0.9 * expected.front().loss) << "it does not learn";
  for (const Layout layout : {Layout::zigzag, Layout::striped}) {
    for (const MeshShape& shape : meshes_of(world.size())) {
      TrainingPlan plan = small_plan(shape, steps);
      plan.layout = layout;
      const Listener run = run_of(world, small_run(plan, directory / "model.h5"));
      const std::vector<TrainingStepRow>& actual = run.steps;
      ASSERT_EQ(actual.size(), expected.size());
      for (std::size_t step = 0; step < expected.size(); ++step) {
        ASSERT_NEAR(actual[step].loss, expected[step].loss, 1e-5 * expected[step].loss)
            << shape.to_string() << " " << name_of(layout) << ", step " << step;
        ASSERT_NEAR(actual[step].grad_norm, expected[step].grad_norm, 1e-4 * expected[step].grad_norm)
            << shape.to_string() << " " << name_of(layout) << ", step " << step;
      }
      ASSERT_EQ(run.terms.size(), 2 * expected.size());
      for (std::size_t term = 0; term < run.terms.size(); ++term) {
        const TrainingTermRow& row = run.terms[term];
        const TrainingTermRow& right = alone.terms[term];
        ASSERT_EQ(row.term.view(), term % 2 == 0 ? "answer" : "text");
        ASSERT_EQ(row.accuracy, right.accuracy) << shape.to_string() << ", step " << row.step;
        ASSERT_EQ(row.tokens, right.tokens);
        ASSERT_NEAR(row.loss, right.loss, 1e-5 * right.loss);
      }
    }
  }
}

/// As text and vision are trained: a head and a loss each, the losses of equal weight.
TEST(Trainer, ALossForEachPartOfTheVocabularyOnEveryMesh) {
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  const auto plan_on = [](const MeshShape& shape) {
    TrainingPlan plan = small_plan(shape, 20);
    plan.model.vocabulary = Vocabulary::parse("text:40,vision:13");
    return plan;
  };
  const Communicator self = world.split(world.rank(), 0);
  const Listener alone =
      run_of(self, small_run(plan_on(mesh(1, 1, 1, 1)), directory / ("alone" + std::to_string(world.rank()) + ".h5")));
  for (std::size_t step = 0; step < alone.steps.size(); ++step) {
    const TrainingTermRow& text = alone.terms.at(2 * step);
    const TrainingTermRow& vision = alone.terms.at(2 * step + 1);
    ASSERT_EQ(vision.term.view(), "vision");
    ASSERT_NEAR(alone.steps[step].loss, (text.loss + vision.loss) / 2, 1e-6);
    ASSERT_EQ(text.tokens + vision.tokens, 4 * 24);
  }
  EXPECT_NEAR(alone.terms[0].loss, std::log(40), 0.3) << "a text target is one of 40 at first";
  EXPECT_NEAR(alone.terms[1].loss, std::log(13), 0.3) << "a vision target is one of 13 at first";
  EXPECT_LT(alone.steps.back().loss, 0.9 * alone.steps.front().loss) << "it does not learn";
  for (const MeshShape& shape : meshes_of(world.size())) {
    TrainingRun run = small_run(plan_on(shape), directory / "model.h5");
    Listener first(11);
    run.checkpoint.every_steps = 5;
    EXPECT_THROW(train(world, run, first), Listener::Stopped);
    run.is_resumed = true;
    const Listener rest = run_of(world, run);
    ASSERT_EQ(rest.steps.size(), 10U);
    for (std::size_t step = 0; step < 10; ++step) {
      const TrainingStepRow& right = alone.steps[step + 10];
      ASSERT_NEAR(rest.steps[step].loss, right.loss, 1e-5 * right.loss) << shape.to_string();
      ASSERT_EQ(rest.steps[step].flop_causal, right.flop_causal) << shape.to_string();
    }
    EXPECT_LE(rest.stages.at(0).peak_bytes, rest.stages.at(0).peak_bytes_model) << shape.to_string();
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

/// fp32 on both: what differs is the order of sums and, on a GPU, products that may be sums of rounded parts. Four
/// updates carry it on.
TEST(Trainer, SameLossesOnADevice) {
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  constexpr std::int64_t steps = 4;
  const auto expected = steps_alone(world, directory / "alone.h5", steps);
  for (const auto& [backend, shape] : device_runs(world.size())) {
    TrainingPlan plan = small_plan(shape, steps);
    plan.backend = backend;
    const double tolerance = is_gpu(device_of(backend)) ? 1e-4 : 1e-5;
    Listener listener;
    train(world, small_run(plan, directory / "model.h5"), listener);
    ASSERT_EQ(listener.steps.size(), expected.size());
    for (std::size_t step = 0; step < expected.size(); ++step) {
      const TrainingStepRow& row = listener.steps[step];
      EXPECT_NEAR(row.loss, expected[step].loss, tolerance * expected[step].loss)
          << shape.to_string() << ", step " << step;
      EXPECT_NEAR(row.grad_norm, expected[step].grad_norm, 10 * tolerance * expected[step].grad_norm)
          << shape.to_string() << ", step " << step;
      EXPECT_GT(row.attention_time, 0);
      EXPECT_GT(row.product_time, 0);
    }
    EXPECT_GT(listener.stages[0].peak_bytes, 0);
    EXPECT_EQ(listener.stages[0].peak_bytes, listener.stages[0].peak_bytes_model);
  }
}

/// A sum's order on a GPU is that of its kernels: attention adds gradients of queries as blocks end, so that a resumed
/// run need not have the same bits.
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
  summarise_steps(listener.steps, listener.terms, stage);
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
  plan.stages[0].stop_when_accuracy = 0.2;
  const auto steps = steps_of(world, small_run(plan, directory / "reached.h5"));
  EXPECT_LT(steps.size(), 400U);
  plan.stages[0].stop_when_accuracy = 0.999;
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
