#pragma once
/// @file  Sequences of tokens for a training step: the same sequences whoever asks for them.
/// Shapes: B sequences asked for, S context_length; row major.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/enumerators.hpp"
#include "tokens/tokenizer.hpp"

namespace ringworld {

/// Over what a loss is averaged.
enum class LossMean : std::uint8_t {
  tokens,     ///< over all targets of the term in the step
  sequences,  ///< within each sequence, then over sequences, as LWM does
  none,       ///< a sum
};

template <>
struct Enumerators<LossMean> {
  static constexpr std::string_view what = "loss_mean";
  static constexpr std::array<std::string_view, 3> names{"tokens", "sequences", "none"};
};

/// A part of the loss: loss = sum over terms of weight * mean of the nll of the term's targets.
struct LossTerm {
  std::string name;
  double weight = 1;
  LossMean mean = LossMean::tokens;
  /// Terms of one group are averaged over the targets of all of them, as if they were one term, and have the weight
  /// and the mean of the group; they are told apart in records. Empty: a term of its own.
  std::string group{};
};

/// Index of a target's term in the list of terms; `no_term`: the target is not in the loss.
using TermIndex = std::uint8_t;
inline constexpr TermIndex no_term = 255;

/// Some sequences of one step. `sum over all sequences of the step of loss_weight * nll` is the loss of the step,
/// nothing is left to divide: ranks add up their own sequences' part and sum over ranks.
struct Batch {
  std::int64_t sequences = 0;
  std::int64_t context_length = 0;
  std::vector<Token> tokens;              ///< (B, S)
  std::vector<Token> targets;             ///< (B, S), the token after each
  std::vector<float> loss_weight;         ///< (B, S) of each target, already divided by the counts of the whole step
  std::vector<TermIndex> terms;           ///< (B, S) of each target
  std::vector<std::int32_t> segment_ids;  ///< (B, S) document of each token, rising from 0; empty: one a sequence
};

struct BatchOptions {
  std::int64_t context_length = 0;
  std::int64_t sequences_per_step = 1;  ///< of all ranks together
  std::vector<LossTerm> terms{};        ///< fewer than 255
  /// Give document ids, so that attention stays within a document. LWM's released code does not.
  bool attends_within_documents = true;
};

/// One sequence before weighting.
struct TrainingSequence {
  std::vector<Token> tokens;              ///< (S + 1): inputs are the first S, targets the last S
  std::vector<TermIndex> terms;           ///< (S), of each target
  std::vector<std::int32_t> segment_ids;  ///< (S), or empty when the sequence is one document
};

/// How many targets of a sequence are in each term.
using TermCounts = std::vector<std::int64_t>;

/// The sequences of a stage.
class BatchSource {
 public:
  /// @throws ringworld::Error (bad_input) when a size is not positive or a weight is negative.
  explicit BatchSource(const BatchOptions& options);
  BatchSource(const BatchSource&) = delete;
  BatchSource& operator=(const BatchSource&) = delete;
  virtual ~BatchSource() = default;

  [[nodiscard]] std::int64_t context_length() const { return options_.context_length; }
  [[nodiscard]] std::int64_t sequences_per_step() const { return options_.sequences_per_step; }
  [[nodiscard]] const std::vector<LossTerm>& terms() const { return options_.terms; }

  /// Sequences `first <= sequence < first + count` of `step`: a pure function, so that any rank may ask for its own
  /// part, in any order, and again after a restart.
  /// @pre 0 <= first, first + count <= sequences_per_step()
  [[nodiscard]] Batch batch(std::int64_t step, std::int64_t first, std::int64_t count) const;

 private:
  /// A pure function of `index` = step * sequences_per_step + sequence.
  [[nodiscard]] virtual TrainingSequence draw_sequence(std::int64_t index) const = 0;
  /// Of what draw_sequence() gives, without its tokens: every rank counts all sequences of a step. One number a term.
  [[nodiscard]] virtual TermCounts count_targets(std::int64_t index) const = 0;

  BatchOptions options_;
};

/// Counts of a list of targets. @param terms  how many there are
[[nodiscard]] TermCounts count_terms(const std::vector<TermIndex>& targets, std::size_t terms);

}  // namespace ringworld
