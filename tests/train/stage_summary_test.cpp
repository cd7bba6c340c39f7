#include "train/stage_summary.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace ringworld {
namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();

TrainingStepRow step_of(std::int64_t stage, std::int64_t step, double loss) {
  TrainingStepRow row;
  row.stages = std::string_view("grown");
  row.training_digest = std::string_view("0123");
  row.stage = stage;
  row.step = step;
  row.loss = loss;
  row.step_time = 4;
  row.attention_time = 1;
  row.product_time = 2;
  row.idle_time = 1;
  return row;
}

TrainingTermRow term_of(const TrainingStepRow& step, std::string_view name, double accuracy) {
  TrainingTermRow row;
  row.stages = step.stages;
  row.training_digest = step.training_digest;
  row.stage = step.stage;
  row.step = step.step;
  row.term = name;
  row.accuracy = accuracy;
  return row;
}

TrainingStageRow stage_of(std::int64_t stage, std::int64_t steps) {
  TrainingStageRow row;
  row.stages = std::string_view("grown");
  row.training_digest = std::string_view("0123");
  row.stage = stage;
  row.steps = steps;
  row.first_term = std::string_view("answer");
  return row;
}

TEST(StageSummary, IsOverAllRecordedStepsWhicheverRunTookThem) {
  std::vector<TrainingStepRow> steps;
  std::vector<TrainingTermRow> terms;
  for (std::int64_t step = 0; step < 30; ++step) {
    steps.push_back(step_of(1, step, static_cast<double>(step)));
    steps.back().run = step / 28;        // the last tenth is of two runs
    steps.back().ranks = 1 + step / 28;  // of another number of ranks
    terms.push_back(term_of(steps.back(), "answer", static_cast<double>(step) / 100));
    terms.push_back(term_of(steps.back(), "text", 0.9));
    steps.push_back(step_of(0, step, 1e6));  // another stage
    terms.push_back(term_of(steps.back(), "answer", 1));
  }
  TrainingStageRow stage = stage_of(1, 30);
  summarise_steps(steps, terms, stage);
  EXPECT_EQ(stage.final_loss, 28);
  EXPECT_DOUBLE_EQ(stage.final_accuracy, 0.28);
  EXPECT_EQ(stage.attention_share, 0.25);
  EXPECT_EQ(stage.product_share, 0.5);
  EXPECT_EQ(stage.elementwise_share, 0);
  EXPECT_EQ(stage.communication_share, 0);
  EXPECT_EQ(stage.idle_share, 0.25);
}

TEST(StageSummary, LeavesOutWhatIsNotOfTheStage) {
  std::vector<TrainingStepRow> steps{step_of(0, 0, 5), step_of(0, 0, 7)};  // taken twice: the last counts
  steps.push_back(step_of(0, 0, 100));
  steps.back().valid = false;
  steps.push_back(step_of(0, 1, 100));  // beyond the stage's end
  steps.push_back(step_of(0, 0, 100));
  steps.back().seed = 3;
  steps.push_back(step_of(0, 0, 100));
  steps.back().stages = std::string_view("direct");
  steps.push_back(step_of(0, 0, 100));
  steps.back().training_digest = std::string_view("4567");
  TrainingStageRow stage = stage_of(0, 1);
  summarise_steps(steps, {}, stage);
  EXPECT_EQ(stage.final_loss, 7);
}

TEST(StageSummary, TheMeanAccuracyIsOverStepsThatHaveTargets) {
  const std::vector<TrainingStepRow> steps{step_of(0, 18, 10), step_of(0, 19, 20)};
  std::vector<TrainingTermRow> terms{term_of(steps[0], "answer", none), term_of(steps[1], "answer", 0.2)};
  TrainingStageRow stage = stage_of(0, 20);
  summarise_steps(steps, terms, stage);
  EXPECT_EQ(stage.final_loss, 15);
  EXPECT_DOUBLE_EQ(stage.final_accuracy, 0.2);
  terms[1].accuracy = none;
  summarise_steps(steps, terms, stage);
  EXPECT_EQ(stage.final_loss, 15);
  EXPECT_TRUE(std::isnan(stage.final_accuracy));
  summarise_steps({}, {}, stage);
  EXPECT_TRUE(std::isnan(stage.final_loss) && std::isnan(stage.attention_share) && std::isnan(stage.idle_share));
}

}  // namespace
}  // namespace ringworld
