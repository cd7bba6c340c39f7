#include "train/stage.hpp"

#include <gtest/gtest.h>

#include "support/expect_error.hpp"

namespace ringworld {
namespace {

TrainingPlan plan_of(const MeshShape& mesh) {
  TrainingPlan plan;
  plan.model = model_preset("debug");
  Stage& stage = plan.stages.emplace_back();
  stage.context_length = 1024;
  stage.rope_theta = 10000;
  stage.steps = 10;
  stage.batch = 4;
  stage.mesh = mesh;
  stage.learning_rate.peak = 1e-3;
  return plan;
}

void expect_refused(const TrainingPlan& plan, std::string_view message) {
  test::expect_error(ErrorKind::bad_input, [&] { validate(plan); }, {message});
}

TEST(TrainingPlan, NamesTheStageAndWhatWouldBeRight) {
  validate(plan_of({{1, 2, 2, 2}}));
  validate(plan_of({{1, 1, 1, 3}}));  // which does not divide the context
  expect_refused(plan_of({{3, 1, 1, 1}}),
                 "stage 0: batch 4 does not divide by dp * fsdp = 3 of mesh 3,1,1,1; give a multiple of it");
  expect_refused(plan_of({{1, 1, 3, 1}}), "stage 0: mesh: tp = 3 does not divide heads = 2");
  TrainingPlan plan = plan_of({{1, 1, 1, 1}});
  plan.stages[0].micro_batch = 3;
  expect_refused(plan, "stage 0: micro_batch 3 does not divide the 4 sequences of a rank");
  plan.stages[0].micro_batch = 2;
  plan.stages[0].stop_when_accuracy = 1;
  expect_refused(plan, "stage 0: stop_when_accuracy is 1");
  plan.stages.clear();
  expect_refused(plan, "there is no stage");
}

}  // namespace
}  // namespace ringworld
