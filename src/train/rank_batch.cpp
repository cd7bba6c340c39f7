#include "train/rank_batch.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace ringworld {

RankBatch::RankBatch(const BatchSource& source, const Model& model, const Vocabulary& vocabulary, const Stage& stage,
                     const Mesh& mesh)
    : source_(source),
      vocabulary_(vocabulary),
      positions_(model.positions()),
      sequences_(stage.sequences_per_pass()),
      first_sequence_((mesh.coordinate(MeshAxis::dp) * stage.mesh[MeshAxis::fsdp] + mesh.coordinate(MeshAxis::fsdp)) *
                      stage.sequences_per_rank()),
      has_documents_(stage.has_documents()) {
  require(source.context_length() == stage.context_length && source.sequences_per_step() == stage.batch,
          "the data are those of the stage");
  const std::size_t count = static_cast<std::size_t>(sequences_) * positions_.size();
  tokens_.resize(count);
  targets_.resize(count);
  weights_.resize(count);
  terms_.resize(count);
  nll_.resize(count);
  likeliest_.resize(count);
  document_ids_.resize(has_documents_ ? count : 0);
}

void RankBatch::draw(std::int64_t step, std::int64_t pass) {
  const Batch drawn = source_.batch(step, first_sequence_ + pass * sequences_, sequences_);
  require(drawn.segment_ids.empty() != has_documents_, "data carry document ids where the stage says so");
  std::size_t local = 0;
  for (std::int64_t sequence = 0; sequence < sequences_; ++sequence) {
    for (const std::int64_t position : positions_) {
      const auto global = static_cast<std::size_t>(sequence * drawn.context_length + position);
      tokens_[local] = drawn.tokens[global];
      weights_[local] = drawn.loss_weight[global];
      terms_[local] = drawn.terms[global];
      targets_[local] = weights_[local] == 0.0F ? Token{-1} : drawn.targets[global];
      if (has_documents_) {
        document_ids_[local] = drawn.segment_ids[global];
      }
      ++local;
    }
  }
}

ModelBatch RankBatch::batch() const {
  const std::array<std::int64_t, 2> shape{sequences_, static_cast<std::int64_t>(positions_.size())};
  return {.tokens = {tokens_.data(), shape},
          .targets = {targets_.data(), shape},
          .weights = {weights_.data(), shape},
          .document_ids = has_documents_ ? TensorView<const std::int32_t, 2>(document_ids_.data(), shape)
                                         : TensorView<const std::int32_t, 2>()};
}

TokenScores RankBatch::scores() {
  const std::array<std::int64_t, 2> shape{sequences_, static_cast<std::int64_t>(positions_.size())};
  return {.nll = {nll_.data(), shape}, .likeliest = {likeliest_.data(), shape}};
}

TargetSums RankBatch::sums() const {
  TargetSums sums{.terms = std::vector<TermSums>(source_.terms().size())};
  for (std::size_t i = 0; i < targets_.size(); ++i) {
    if (targets_[i] < 0) {
      continue;
    }
    sums.logits += static_cast<double>(vocabulary_.parts()[vocabulary_.part_of(targets_[i])].size);
    TermSums& term = sums.terms[terms_[i]];
    term.tokens += 1;
    term.hits += likeliest_[i] == targets_[i] ? 1 : 0;
    term.nll += static_cast<double>(nll_[i]);
  }
  return sums;
}

void TargetSums::add(const TargetSums& pass) {
  terms.resize(std::max(terms.size(), pass.terms.size()));
  for (std::size_t index = 0; index < pass.terms.size(); ++index) {
    terms[index].tokens += pass.terms[index].tokens;
    terms[index].hits += pass.terms[index].hits;
    terms[index].nll += pass.terms[index].nll;
  }
  logits += pass.logits;
}

void TargetSums::add_ranks(const Communicator& ranks) {
  std::vector<double> numbers{logits};
  for (const TermSums& term : terms) {
    numbers.insert(numbers.end(), {term.tokens, term.hits, term.nll});
  }
  ranks.all_reduce(std::span<double>(numbers), Reduction::sum);
  auto next = numbers.begin();
  logits = *next++;
  for (TermSums& term : terms) {
    term.tokens = *next++;
    term.hits = *next++;
    term.nll = *next++;
  }
}

}  // namespace ringworld
