#include "train/rank_batch.hpp"

#include "core/error.hpp"

namespace ringworld {

RankBatch::RankBatch(const BatchSource& source, const Model& model, const Stage& stage, const Mesh& mesh)
    : source_(source),
      positions_(model.positions()),
      rows_(stage.rows_per_pass()),
      first_row_((mesh.coordinate(MeshAxis::dp) * stage.mesh[MeshAxis::fsdp] + mesh.coordinate(MeshAxis::fsdp)) *
                 stage.rows_per_rank()),
      has_segments_(stage.has_segments()) {
  require(source.context_length() == stage.context_length && source.rows_per_step() == stage.batch,
          "the data are those of the stage");
  const std::size_t count = static_cast<std::size_t>(rows_) * positions_.size();
  tokens_.resize(count);
  targets_.resize(count);
  weights_.resize(count);
  kinds_.resize(count);
  nll_.resize(count);
  likeliest_.resize(count);
  segments_.resize(has_segments_ ? count : 0);
}

void RankBatch::draw(std::int64_t step, std::int64_t pass) {
  const Batch drawn = source_.rows(step, first_row_ + pass * rows_, rows_);
  require(drawn.segment_ids.empty() != has_segments_, "data carry document ids where the stage says so");
  std::size_t local = 0;
  for (std::int64_t row = 0; row < rows_; ++row) {
    for (const std::int64_t position : positions_) {
      const auto global = static_cast<std::size_t>(row * drawn.context_length + position);
      tokens_[local] = drawn.tokens[global];
      weights_[local] = drawn.loss_weight[global];
      kinds_[local] = drawn.kinds[global];
      targets_[local] = weights_[local] == 0.0F ? Token{-1} : drawn.targets[global];
      if (has_segments_) {
        segments_[local] = drawn.segment_ids[global];
      }
      ++local;
    }
  }
}

ModelBatch RankBatch::batch() const {
  const std::array<std::int64_t, 2> shape{rows_, static_cast<std::int64_t>(positions_.size())};
  return {.tokens = {tokens_.data(), shape},
          .targets = {targets_.data(), shape},
          .weights = {weights_.data(), shape},
          .segments = has_segments_ ? TensorView<const std::int32_t, 2>(segments_.data(), shape)
                                    : TensorView<const std::int32_t, 2>()};
}

TokenScores RankBatch::scores() {
  const std::array<std::int64_t, 2> shape{rows_, static_cast<std::int64_t>(positions_.size())};
  return {.nll = {nll_.data(), shape}, .likeliest = {likeliest_.data(), shape}};
}

TargetSums RankBatch::sums() const {
  TargetSums sums;
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    if (targets_[i] < 0) {
      continue;
    }
    sums.scored += 1;
    if (kinds_[i] == TargetKind::answer) {
      sums.answers += 1;
      sums.hits += likeliest_[i] == targets_[i] ? 1 : 0;
      sums.answer_nll += static_cast<double>(nll_[i]);
    } else {
      sums.texts += 1;
      sums.text_nll += static_cast<double>(nll_[i]);
    }
  }
  return sums;
}

}  // namespace ringworld
