/// Training on one and more ranks, and from a checkpoint.

#include "vqgan/training.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "support/expect_error.hpp"
#include "tensors/tensor_source.hpp"
#include "train/training_problem.hpp"
#include "vqgan/checkpoint.hpp"
#include "vqgan/small_network.hpp"
#include "vqgan/vqgan.hpp"

namespace ringworld {
namespace {

using test::SharedDirectory;
using testing::StripedFrames;
using testing::tiny_config;

constexpr std::int64_t steps = 16;

VqganTrainingPlan small_plan() {
  VqganTrainingPlan plan;
  plan.config = tiny_config();
  plan.steps = steps;
  plan.batch = 5;  // which no number of ranks divides
  plan.learning_rate = {.peak = 5e-3, .minimum = 5e-4, .warmup_steps = 2, .steps = steps, .shape = DecayShape::cosine};
  plan.plain_steps = 6;
  plan.seeding_frames = 7;
  plan.restart_every = 3;
  plan.evaluation_frames = 5;
  return plan;
}

/// Keeps what it is told. Throws Stopped after `stop_after` steps, as a kill would end them.
class Listener final : public VqganObserver {
 public:
  struct Stopped {};
  explicit Listener(std::size_t stop_after = 0) : stop_after_(stop_after) {}
  void on_step(const VqganStepRow& row) override {
    rows.push_back(row);
    if (rows.size() == stop_after_) {
      throw Stopped{};
    }
  }
  void on_evaluation(const VqganEvaluationRow& row) override { evaluations.push_back(row); }
  void on_checkpoint() override {}

  std::vector<VqganStepRow> rows;
  std::vector<VqganEvaluationRow> evaluations;

 private:
  std::size_t stop_after_;
};

VqganRun run_of(const VqganTrainingPlan& plan, const std::filesystem::path& checkpoint) {
  static const StripedFrames training(8, 3);
  static const StripedFrames evaluation(8, 4);
  VqganRun run;
  run.plan = plan;
  run.checkpoint.path = checkpoint;
  run.training = &training;
  run.evaluation = &evaluation;
  run.settings = "batch = 5\n";
  return run;
}

std::string digest_of_checkpoint(const Communicator& world, const std::filesystem::path& path) {
  return read_frame_tokenizer(world, path, Backend::host, 1)->digest();
}

TEST(VqganTraining, LearnsTheSameOnAnyNumberOfRanks) {
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  const Communicator self = world.split(world.rank(), 0);
  Listener alone;
  train_vqgan(self, run_of(small_plan(), directory / ("alone" + std::to_string(world.rank()))), alone);
  for (const std::int64_t micro_batch : {0, 1}) {
    VqganTrainingPlan plan = small_plan();
    plan.micro_batch = micro_batch;
    Listener together;
    train_vqgan(world, run_of(plan, directory / "together"), together);
    ASSERT_EQ(together.rows.size(), alone.rows.size());
    for (std::size_t step = 0; step < alone.rows.size(); ++step) {
      EXPECT_NEAR(together.rows[step].loss, alone.rows[step].loss, 2e-4 * alone.rows[step].loss) << step;
      EXPECT_EQ(together.rows[step].codes_restarted, alone.rows[step].codes_restarted) << step;
      EXPECT_EQ(together.rows[step].is_quantized, step >= 6) << step;
    }
    EXPECT_LT(together.rows[5].loss, 0.9 * together.rows[0].loss) << "it does not learn";
    ASSERT_EQ(together.evaluations.size(), 1U);
    EXPECT_NEAR(together.evaluations[0].psnr, alone.evaluations[0].psnr, 0.01);
  }
}

TEST(VqganTraining, ResumedHasTheBitsOfOneThatWasNotKilled) {
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  Listener whole;
  train_vqgan(world, run_of(small_plan(), directory / "whole"), whole);
  // Before the codebook is made, right at it, and within a watch for unused codes.
  for (const std::int64_t at : {4, 6, 10}) {
    VqganRun run = run_of(small_plan(), directory / ("killed" + std::to_string(at)));
    run.checkpoint.every_steps = at;
    Listener killed(static_cast<std::size_t>(at + 1));
    EXPECT_THROW(train_vqgan(world, run, killed), Listener::Stopped);
    run.is_resumed = true;
    run.checkpoint.every_steps = 0;
    Listener resumed;
    train_vqgan(world, run, resumed);
    ASSERT_EQ(resumed.rows.size(), static_cast<std::size_t>(steps - at));
    for (std::size_t step = 0; step < resumed.rows.size(); ++step) {
      EXPECT_EQ(resumed.rows[step].loss, whole.rows[step + static_cast<std::size_t>(at)].loss) << at << " " << step;
    }
    EXPECT_EQ(digest_of_checkpoint(world, run.checkpoint.path), digest_of_checkpoint(world, directory / "whole"));
  }
}

TEST(VqganTraining, RestartsCodesThatAreNotUsed) {
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  VqganTrainingPlan plan = small_plan();
  plan.config.codebook_size = 100;
  Listener listener;
  train_vqgan(world, run_of(plan, directory / "model"), listener);
  const auto restarted = [](const VqganStepRow& row) { return row.codes_restarted > 0; };
  EXPECT_TRUE(std::ranges::any_of(listener.rows, restarted));
  for (const VqganStepRow& row : listener.rows) {  // every third quantised step, up to 80 % of the steps
    EXPECT_TRUE(!restarted(row) || ((row.step - 6 + 1) % 3 == 0 && row.step < 13)) << row.step;
  }
}

TEST(VqganTokenizer, EncodesAndDecodesWithATrainedCheckpoint) {
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  Listener listener;
  const VqganRun run = run_of(small_plan(), directory / "model.h5");
  train_vqgan(world, run, listener);
  const auto tokenizer = read_frame_tokenizer(world, run.checkpoint.path, Backend::host, 1);
  EXPECT_EQ(tokenizer->codes_per_frame(), 16);
  std::vector<float> frames(static_cast<std::size_t>(5 * tokenizer->frame_size()));
  for (std::size_t frame = 0; frame < 5; ++frame) {
    const auto size = static_cast<std::size_t>(tokenizer->frame_size());
    run.evaluation->draw(frame, std::span(frames).subspan(frame * size, size));
  }
  const std::vector<Token> codes = tokenizer->encode(frames);
  ASSERT_EQ(codes.size(), 80U);
  const std::vector<float> decoded = tokenizer->decode(codes);
  double squared = 0;
  for (std::size_t place = 0; place < frames.size(); ++place) {
    squared += (decoded[place] - frames[place]) * (decoded[place] - frames[place]);
  }
  EXPECT_NEAR(squared / static_cast<double>(frames.size()), listener.evaluations[0].squared_error, 1e-5);
  test::expect_error(ErrorKind::bad_input, [&] { static_cast<void>(tokenizer->decode(std::vector<Token>(16, 7))); },
                     {"code 7"});
  test::expect_error(ErrorKind::bad_input, [&] { static_cast<void>(tokenizer->decode(std::vector<Token>(15, 0))); },
                     {"15 codes"});
}

TEST(VqganTraining, RefusesPlansThatCannotBe) {
  VqganTrainingPlan plan = small_plan();
  plan.plain_steps = steps;
  test::expect_error(ErrorKind::bad_input, [&] { validate(plan); }, {"plain_steps"});
  plan = small_plan();
  plan.config.codebook_size = 1000;
  test::expect_error(ErrorKind::bad_input, [&] { validate(plan); }, {"seeding_frames"});
  plan = small_plan();
  plan.batch = 0;
  test::expect_error(ErrorKind::bad_input, [&] { validate(plan); }, {"batch"});
}

}  // namespace
}  // namespace ringworld
