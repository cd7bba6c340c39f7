#pragma once
/// @file  Rows of packed vision documents to train on.

#include <memory>
#include <mutex>

#include "data/batch.hpp"
#include "tasks/vision/examples.hpp"
#include "tasks/vision/packing.hpp"

namespace ringworld {

struct VisionBatchOptions {
  std::uint64_t seed = 0;
  std::uint64_t stage = 0;
  VisionPacking packing = VisionPacking::masked;
  /// Rows come in another order in every round. Without it round r is step r.
  bool shuffles_rows = false;
};

/// The rows of a plan, again and again, with the documents of each round.
///
/// What predicts the first token of a document is no target, whatever the packing.
class VisionBatches final : public BatchSource {
 public:
  /// @param vision  part of the vocabulary that holds codes and markers
  /// @pre the plan has rows, and without shuffling as many as a step has sequences
  VisionBatches(const BatchOptions& batch, const VisionBatchOptions& options, VocabularyPart vision, VisionTerms terms,
                PackingPlan plan, std::unique_ptr<VisionExamples> examples, Token padding);

 private:
  struct Place {
    std::int64_t round = 0;
    std::int64_t row = 0;
  };

  [[nodiscard]] TrainingSequence draw_sequence(std::int64_t index) const override;
  [[nodiscard]] TermCounts count_targets(std::int64_t index) const override;
  [[nodiscard]] TrainingSequence draw(std::int64_t index, bool is_outline) const;
  [[nodiscard]] Place place_of(std::int64_t index) const;

  VisionBatchOptions options_;
  VocabularyPart vision_;
  VisionTerms vision_terms_;
  PackingPlan plan_;
  Token padding_;
  mutable std::mutex mutex_;
  std::unique_ptr<VisionExamples> examples_;  ///< guarded by mutex_, as are the next two
  mutable std::int64_t shuffled_round_ = -1;  ///< whose order is in row_order_
  mutable std::vector<std::int64_t> row_order_;
};

}  // namespace ringworld
