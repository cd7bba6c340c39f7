#pragma once
/// @file  Rows of tokens for a training step: the same rows whoever asks for them.
/// Shapes: B rows asked for, S context_length; row major.

#include <cstdint>
#include <vector>

#include "data/tokenizer.hpp"

namespace ringworld {

/// What a target counts as.
enum class TargetKind : std::uint8_t {
  none,    ///< not in the loss
  answer,  ///< a value that a question asked for
  text,    ///< ordinary language modelling
};

/// Some rows of one step. `sum over all rows of the step of loss_weight * nll` is the loss of the step, nothing is left
/// to divide: ranks add up their own rows' part and sum over ranks.
struct Batch {
  std::int64_t rows = 0;
  std::int64_t context_length = 0;
  std::vector<Token> tokens;              ///< (B, S)
  std::vector<Token> targets;             ///< (B, S), the token after each
  std::vector<float> loss_weight;         ///< (B, S) of each target, already divided by the counts of the whole step
  std::vector<TargetKind> kinds;          ///< (B, S) of each target
  std::vector<std::int32_t> segment_ids;  ///< (B, S) document of each token, rising from 0; empty: one document a row
};

/// Over what a loss is averaged.
enum class LossMean : std::uint8_t {
  tokens,  ///< over all targets of a kind in the step
  rows,    ///< within each row, then over rows, as LWM does
};

/// How rows become a loss: `answer mean + text_weight * text mean`.
struct BatchOptions {
  std::int64_t context_length = 0;
  std::int64_t rows_per_step = 1;  ///< of all ranks together
  double text_weight = 1.0;
  LossMean mean = LossMean::tokens;
  /// Give segment ids, so that attention stays within a document. LWM's released code does not.
  bool attends_within_documents = true;
  /// LWM's released behaviour: the plain mean over every target, first tokens of documents included.
  bool loss_over_everything = false;
};

/// One row before weighting.
struct Row {
  std::vector<Token> tokens;              ///< (S + 1): inputs are the first S, targets the last S
  std::vector<TargetKind> kinds;          ///< (S)
  std::vector<std::int32_t> segment_ids;  ///< (S), or empty when the row is one document
};

/// How many targets of a row are of each kind.
struct TargetCounts {
  std::int64_t answer = 0;
  std::int64_t text = 0;
};

/// The rows of a stage.
class BatchSource {
 public:
  /// @throws ringworld::Error (bad_input) when a size is not positive or the weight is negative.
  explicit BatchSource(const BatchOptions& options);
  BatchSource(const BatchSource&) = delete;
  BatchSource& operator=(const BatchSource&) = delete;
  virtual ~BatchSource() = default;

  [[nodiscard]] std::int64_t context_length() const { return options_.context_length; }
  [[nodiscard]] std::int64_t rows_per_step() const { return options_.rows_per_step; }

  /// Rows `first_row <= row < first_row + row_count` of `step`: a pure function, so that any rank may ask for its own
  /// part, in any order, and again after a restart.
  /// @pre 0 <= first_row, first_row + row_count <= rows_per_step()
  [[nodiscard]] Batch rows(std::int64_t step, std::int64_t first_row, std::int64_t row_count) const;

 protected:
  [[nodiscard]] const BatchOptions& options() const { return options_; }

 private:
  /// A pure function of `global_row` = step * rows_per_step + row.
  [[nodiscard]] virtual Row draw_row(std::int64_t global_row) const = 0;
  /// What draw_row() gives, without its tokens: every rank counts all rows of a step.
  [[nodiscard]] virtual TargetCounts count_targets(std::int64_t global_row) const = 0;

  BatchOptions options_;
};

}  // namespace ringworld
