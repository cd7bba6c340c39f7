#pragma once
/// @file  This rank's part of a step: its sequences, and of each the tokens that its place in the ring holds.

#include <cstdint>
#include <vector>

#include "data/batch.hpp"
#include "model/model.hpp"
#include "train/stage.hpp"

namespace ringworld {

/// What a pass says of its targets, on this rank.
struct TargetSums {
  double answers = 0;     ///< targets of kind answer
  double hits = 0;        ///< of these, whose likeliest token is the target
  double answer_nll = 0;  ///< summed
  double texts = 0;       ///< targets of kind text
  double text_nll = 0;    ///< summed
  double scored = 0;      ///< targets whose logits were computed
};

/// Batches for a model, one pass at a time; memory is reused.
class RankBatch {
 public:
  /// Both must outlive this.
  RankBatch(const BatchSource& source, const Model& model, const Stage& stage, const Mesh& mesh);

  /// Draws pass `pass` of `step`, counted from 0: a pure function of both.
  /// @pre pass < stage.rows_per_rank() / stage.rows_per_pass()
  void draw(std::int64_t step, std::int64_t pass);

  /// Views of what was drawn last.
  [[nodiscard]] ModelBatch batch() const;
  /// Where the model writes the scores of this pass.
  [[nodiscard]] TokenScores scores();
  /// Sums over the pass, once the model has written its scores.
  [[nodiscard]] TargetSums sums() const;

 private:
  const BatchSource& source_;
  const std::vector<std::int64_t>& positions_;
  std::int64_t rows_;
  std::int64_t first_row_;
  bool has_segments_;
  std::vector<Token> tokens_;   // (rows, T), as are the others
  std::vector<Token> targets_;  // negative where the weight is 0
  std::vector<float> weights_;
  std::vector<std::int32_t> segments_;
  std::vector<TargetKind> kinds_;
  std::vector<float> nll_;
  std::vector<Token> likeliest_;
};

}  // namespace ringworld
