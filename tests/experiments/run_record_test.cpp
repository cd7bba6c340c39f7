/// @file  The record of a run: which points it holds, on every rank; and which it tries again.

#include "experiments/common/run_record.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "experiments/train/training_settings.hpp"

namespace ringworld {
namespace {

/// `flavour` is a key that nothing but this declaration knows of.
struct CakeRow {
  static constexpr std::string_view path = "/cakes";
  static constexpr std::string_view meaning = "a cake";
  std::int64_t layers = 0;
  FixedString<16> flavour;
  double weight = 0;
  bool valid = false;
  FixedString<16> outcome;
  FixedString<32> reason;
  std::int64_t memory_limit = 0;
  double time_limit = 0;
  std::int64_t run = 0;
  static Columns columns() {
    using R = CakeRow;
    return {Column{"layers", &R::layers, Role::key, "", ""},
            Column{"flavour", &R::flavour, Role::key, "", ""},
            Column{"weight", &R::weight, Role::measure, "kg", ""},
            Column{"valid", &R::valid, Role::verdict, "", ""},
            Column{"outcome", &R::outcome, Role::verdict, "", ""},
            Column{"reason", &R::reason, Role::verdict, "", ""},
            Column{"memory_limit", &R::memory_limit, Role::origin, "B", ""},
            Column{"time_limit", &R::time_limit, Role::origin, "s", ""},
            Column{"run", &R::run, Role::origin, "", ""}};
  }
};

CakeRow cake(std::int64_t layers, std::string_view flavour, Outcome outcome = Outcome::ok) {
  CakeRow row;
  row.layers = layers;
  row.flavour = flavour;
  conclude(row, outcome, outcome == Outcome::ok ? "" : "burnt");
  return row;
}

/// A record that goes with the test.
class RunRecordTest : public testing::Test {
 protected:
  RunRecordTest() {
    std::int64_t process = ::getpid();
    world_.broadcast(std::as_writable_bytes(std::span(&process, 1)), 0);
    path_ = std::filesystem::temp_directory_path() / ("ringworld_run_record_" + std::to_string(process) + ".h5");
  }
  ~RunRecordTest() override {
    world_.barrier();
    if (world_.is_root()) {
      std::filesystem::remove(path_);
    }
  }
  RunRecord open(bool is_resumed, bool retries_failed = false) {
    return {{.world = world_, .arguments = {}, .command_line = {"test"}, .watchdog = watchdog_, .trace = trace_},
            {.output = path_, .is_resumed = is_resumed, .retries_failed = retries_failed}};
  }

  Communicator world_ = Communicator::world();
  Watchdog watchdog_{Communicator::world()};
  TraceFile trace_{Communicator::world()};
  std::filesystem::path path_;
};

TEST_F(RunRecordTest, HoldsAPointByItsKeysOnEveryRank) {
  {
    RunRecord record = open(false);
    EXPECT_FALSE(record.holds(cake(1, "plum")));
    record.add(cake(1, "plum"));
    record.finish();
  }
  RunRecord record = open(true);
  EXPECT_TRUE(record.holds(cake(1, "plum")));
  EXPECT_FALSE(record.holds(cake(2, "plum")));
  EXPECT_FALSE(record.holds(cake(1, "apple"))) << "no list of keys stands anywhere else";
  record.add(cake(1, "apple"));
  if (world_.is_root()) {
    EXPECT_EQ(record.run(), 1);
    EXPECT_EQ(record.rows<CakeRow>().at(0).run, 0);
    EXPECT_EQ(record.rows<CakeRow>().at(1).run, 1);
  }
}

TEST_F(RunRecordTest, TriesAgainWhatALimitStoppedUnderAnotherLimit) {
  RunRecord record = open(false);
  record.add(cake(1, "plum", Outcome::out_of_memory));
  record.add(cake(2, "plum", Outcome::interrupted));
  record.add(cake(3, "plum", Outcome::failed_check));
  EXPECT_TRUE(record.holds(cake(1, "plum")));
  CakeRow larger = cake(1, "plum");
  larger.memory_limit = 1 << 20;
  EXPECT_FALSE(record.holds(larger));
  EXPECT_FALSE(record.holds(cake(2, "plum")));
  EXPECT_TRUE(record.holds(cake(3, "plum")));
  record.add(cake(4, "plum", Outcome::bad_input));
  EXPECT_TRUE(record.holds(cake(4, "plum"))) << "the same question has the same error";
  record.add(cake(2, "plum"));
  EXPECT_TRUE(record.holds(cake(2, "plum"))) << "the latest row of a point counts";
}

TEST_F(RunRecordTest, TriesAgainWhatFailedWhenAsked) {
  RunRecord record = open(false, true);
  for (const Outcome outcome :
       {Outcome::out_of_memory, Outcome::timeout, Outcome::failed_check, Outcome::not_finite, Outcome::bad_input}) {
    record.add(cake(1, name_of(outcome), outcome));
    EXPECT_FALSE(record.holds(cake(1, name_of(outcome))));
  }
  record.add(cake(1, "plum"));
  EXPECT_TRUE(record.holds(cake(1, "plum")));
}

// ---- training -----------------------------------------------------------------------------------------------------

/// Two stages of a training whose checkpoint stands in the first one.
struct Resumed {
  TrainingPlan plan;
  TrainingProgress progress{.stage = 0, .step = 10};
  std::vector<TrainingSetting> before{{"seed", "1"},           {"machine: backend", "host"}, {"stage 0: steps", "20"},
                                      {"stage 0: batch", "2"}, {"stage 0: warmup", "0"},     {"stage 1: batch", "2"}};
  std::vector<TrainingSetting> now = before;

  Resumed() {
    Stage& stage = plan.stages.emplace_back();
    stage.steps = 20;
    stage.learning_rate = {.peak = 1, .steps = 20};
  }
  void set_steps(std::int64_t steps) {
    now[2].value = std::to_string(steps);
    plan.stages[0].steps = plan.stages[0].learning_rate.steps = steps;
  }
  /// The first notice, or the error.
  [[nodiscard]] std::string answer() const {
    try {
      const ResumedTraining resumed = require_same_training("m.h5", before, now, progress, plan);
      return resumed.notices.empty() ? "same" : resumed.notices.front();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_input);
      return error.what();
    }
  }
};

TEST(TrainingSettings, NameWhatChanged) {
  Resumed run;
  EXPECT_EQ(run.answer(), "same");
  run.now[3].value = "4";
  EXPECT_NE(run.answer().find("'m.h5' was trained with stage 0: batch = 2, this run has 4"), std::string::npos);
}

TEST(TrainingSettings, OfLaterStagesAndOfTheMachineMayChange) {
  Resumed run;
  run.now[5].value = "4";
  EXPECT_EQ(run.answer(), "same");
  run.now[1].value = "kokkos";
  EXPECT_NE(run.answer().find("backend = host, this run has kokkos: the same training"), std::string::npos);
}

TEST(TrainingSettings, StepsMayChangeWhereNoStepThatWasTakenDoes) {
  Resumed run;
  run.set_steps(12);
  EXPECT_NE(run.answer().find("goes on from step 10 to 12"), std::string::npos);
  run.set_steps(9);
  EXPECT_NE(run.answer().find("this run has 9, but 10 steps are taken"), std::string::npos);
  run.plan.stages[0].learning_rate.shape = DecayShape::cosine;
  run.set_steps(30);
  EXPECT_NE(run.answer().find("changes the learning rate of steps that are taken"), std::string::npos);
  run.progress = {.stage = 0, .step = 20, .is_stage_done = true};
  EXPECT_NE(run.answer().find("goes on from step 20 to 30"), std::string::npos) << "a finished stage trains on";
}

TEST(TrainingSettings, HaveADigestThatMoreStepsDoNotChange) {
  Resumed run;
  const std::string digest = digest_of_stage(run.before, 0);
  run.set_steps(30);
  EXPECT_EQ(digest_of_stage(run.now, 0), digest);
  EXPECT_NE(digest_of_stage(run.now, 1), digest_of_stage(run.before, 1)) << "a later stage starts from all of them";
  run.now[3].value = "4";
  EXPECT_NE(digest_of_stage(run.now, 0), digest);
}

TEST(TrainingSettings, ReadBackFromTheirText) {
  const std::vector<TrainingSetting> settings{{"stage 0: data: name", ""}, {"data: text", "a = b"}};
  EXPECT_EQ(parse_settings(to_text(settings)), settings);
}

}  // namespace
}  // namespace ringworld
