#pragma once
/// @file  This rank's part of a step: its sequences, and of each the tokens that its place in the ring holds.

#include <cstdint>
#include <vector>

#include "data/batch.hpp"
#include "model/model.hpp"
#include "train/stage.hpp"

namespace ringworld {

/// Sums of a pass over the targets of one term of the loss.
struct TermSums {
  double tokens = 0;
  double hits = 0;  ///< targets that are the likeliest token
  double nll = 0;   ///< summed
};

/// Sums over passes, on this rank or all.
struct TargetSums {
  std::vector<TermSums> terms;
  double logits = 0;  ///< logits that were computed: per target, one for each token of its part of the vocabulary

  void add(const TargetSums& pass);
  /// Replaces the sums by those over all ranks of `ranks`, in one reduction. Collective.
  void add_ranks(const Communicator& ranks);
};

/// Batches for a model, one pass at a time; memory is reused.
class RankBatch {
 public:
  /// All but the stage must outlive this.
  RankBatch(const BatchSource& source, const Model& model, const Vocabulary& vocabulary, const Stage& stage,
            const Mesh& mesh);

  /// Draws pass `pass` of `step`, counted from 0: a pure function of both.
  /// @pre pass < stage.sequences_per_rank() / stage.sequences_per_pass()
  void draw(std::int64_t step, std::int64_t pass);

  /// Views of what was drawn last.
  [[nodiscard]] ModelBatch batch() const;
  /// Where the model writes the scores of this pass.
  [[nodiscard]] TokenScores scores();
  /// Sums over the pass, once the model has written its scores.
  [[nodiscard]] TargetSums sums() const;

 private:
  const BatchSource& source_;
  const Vocabulary& vocabulary_;
  const std::vector<std::int64_t>& positions_;
  std::int64_t sequences_;
  std::int64_t first_sequence_;
  bool has_documents_;
  std::vector<Token> tokens_;   // (sequences, T), as are the others
  std::vector<Token> targets_;  // negative where the weight is 0
  std::vector<float> weights_;
  std::vector<std::int32_t> document_ids_;
  std::vector<TermIndex> terms_;
  std::vector<float> nll_;
  std::vector<Token> likeliest_;
};

}  // namespace ringworld
