#pragma once
/// @file  A world model that is evaluated, with all that its pictures need: frame tokenizer, cards, judge; and the passes
/// and generators that points share.

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cards/card_bank.hpp"
#include "cards/card_judge.hpp"
#include "eval/ring_predictor.hpp"
#include "experiments/common/trained_model.hpp"
#include "experiments/evaluate/config.hpp"
#include "generation/generator.hpp"

namespace ringworld {

class EvaluatedModel {
 public:
  /// Collective over `world`, whose ranks form `mesh`; all arguments must outlive this.
  /// @throws Error(bad_input, collective) when the checkpoint is not one of a world model, or its frame tokenizer or the
  /// handwriting cannot be read.
  EvaluatedModel(const Communicator& world, const Mesh& mesh, const EvaluateOptions& values);

  [[nodiscard]] const Communicator& world() const { return world_; }
  [[nodiscard]] const Mesh& mesh() const { return mesh_; }
  [[nodiscard]] const EvaluateOptions& options() const { return values_; }
  [[nodiscard]] const TrainedModel& trained() const { return trained_; }
  [[nodiscard]] FrameTokenizer& frames() { return *frames_; }
  [[nodiscard]] const CardWorld& cards() const { return *cards_; }
  [[nodiscard]] CardBank& bank() { return *bank_; }
  [[nodiscard]] const VisionFormat& format() const { return *format_; }

  /// Decodes frames and reads what they show.
  /// @param codes   of whole frames     @param pixels  (frames, side, side, 3), overwritten; may be null
  [[nodiscard]] std::vector<CardReading> read(std::span<const Token> codes, std::vector<float>* pixels = nullptr);

  /// Rows of so many tokens that stand side by side in one pass.
  [[nodiscard]] std::int64_t rows_per_pass(std::int64_t context_length, std::int64_t rows) const;

  /// A model for rows of this length; it may be the one of the call before. Collective.
  /// @throws Error(out_of_memory), Error(bad_input), on every rank.
  NextTokenPredictor predictor(std::int64_t context_length, std::int64_t batch, double theta,
                               std::int64_t log_length = 0);
  /// Bytes that the plan gives to this rank while predictor() predicts: those held before it was made, and its own.
  [[nodiscard]] std::int64_t planned_bytes() const { return planned_bytes_; }

  /// A generator at the trained theta; frees the predictor. Collective.
  Generator& generator();

 private:
  const Communicator& world_;
  const Mesh& mesh_;
  const EvaluateOptions& values_;
  TrainedModel trained_;
  std::unique_ptr<FrameTokenizer> frames_;
  std::shared_ptr<const CardWorld> cards_;
  std::optional<CardBank> bank_;
  std::optional<CardJudge> judge_;
  std::optional<VisionFormat> format_;

  std::optional<RingPredictor> predictor_;
  std::int64_t context_length_ = 0;
  std::int64_t batch_ = 0;
  double theta_ = 0;
  std::int64_t log_length_ = 0;
  std::int64_t planned_bytes_ = 0;
  std::optional<Generator> generator_;
};

}  // namespace ringworld
