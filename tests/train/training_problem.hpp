#pragma once
/// @file  A tiny plan with data of its own, and what a run of it reported.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "train/trainer.hpp"

namespace ringworld::test {

/// Sequences of a language in which a token follows from the one before: learnable within a few steps. Terms: `answer`
/// and `text`, some targets in neither; with a vocabulary in parts, one a part, of equal weight.
class ChainBatches final : public BatchSource {
 public:
  ChainBatches(const BatchOptions& batch, std::uint64_t seed, const Vocabulary& vocabulary)
      : BatchSource(batch), seed_(seed), vocabulary_(vocabulary) {}

 private:
  [[nodiscard]] TrainingSequence draw_sequence(std::int64_t index) const override;
  [[nodiscard]] TermCounts count_targets(std::int64_t index) const override;

  std::uint64_t seed_;
  Vocabulary vocabulary_;
};

/// 4 heads of 16, hidden 40, 2 layers, a vocabulary that no mesh divides. One stage of `steps`.
[[nodiscard]] TrainingPlan small_plan(const MeshShape& mesh, std::int64_t steps);
[[nodiscard]] TrainingRun small_run(TrainingPlan plan, std::filesystem::path checkpoint);

/// Keeps what it is told. Throws Stopped after `stop_after` steps, as a kill would end them.
class Listener final : public TrainingObserver {
 public:
  struct Stopped {};
  explicit Listener(std::size_t stop_after = 0) : stop_after_(stop_after) {}

  void on_step(const TrainingStepRow& row, std::span<const TrainingTermRow> of_step) override {
    steps.push_back(row);
    terms.insert(terms.end(), of_step.begin(), of_step.end());
    if (steps.size() == stop_after_) {
      throw Stopped{};
    }
  }
  void on_stage(const TrainingStageRow& row) override { stages.push_back(row); }
  void on_checkpoint() override { ++checkpoints; }

  std::vector<TrainingStepRow> steps;
  std::vector<TrainingTermRow> terms;  ///< of the steps: answer, text
  std::vector<TrainingStageRow> stages;
  int checkpoints = 0;

 private:
  std::size_t stop_after_;
};

/// A directory that all ranks of the job know, removed by the root when all have let go of it.
class SharedDirectory {
 public:
  explicit SharedDirectory(Communicator communicator);
  SharedDirectory(const SharedDirectory&) = delete;
  SharedDirectory& operator=(const SharedDirectory&) = delete;
  ~SharedDirectory();

  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  Communicator communicator_;
  std::filesystem::path path_;
};

}  // namespace ringworld::test
