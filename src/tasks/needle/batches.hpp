#pragma once
/// @file  Training sequences of needle documents over the word vocabulary: many needles, all of them asked for.

#include "data/batch.hpp"
#include "data/haystack.hpp"
#include "tasks/needle/format.hpp"

namespace ringworld {

/// Each document of L targets holds n needles, n questions in random order, and hay that fills the rest:
///   most = clamp(dense_share_of_tokens * L / (needle + question), 1, max_needles), at most the number of keys
///   n    = most with probability dense_probability, else log-uniform in 1..most, so that single needles occur
struct NeedleBatchOptions {
  std::uint64_t seed = 0;
  std::uint64_t stage = 0;
  double dense_probability = 0.5;
  double dense_share_of_tokens = 0.9;
  std::int64_t max_needles = 64;
  /// Probability that one needle is moved to depth 1, next to the questions, where chance hardly ever puts it, and is
  /// asked for first.
  double last_depth_probability = 0.1;
  /// Share of the targets that are no answers which count as text, chosen at random. None when the text weight is 0.
  double text_share = 0.25;
  /// Documents of equal length packed into a sequence.
  std::int64_t documents_per_sequence = 1;
};

/// @throws ringworld::Error (bad_input) when an option makes no sense.
void validate(const NeedleBatchOptions& options);

/// Sequences of `documents_per_sequence` needle documents. Answers are the value tokens of the questions, not those of
/// needles. Terms: 0 the answers, 1 the text.
class NeedleBatches final : public BatchSource {
 public:
  /// @param haystack  its training part is used; it and the format's tokenizer must outlive this
  /// @throws ringworld::Error (bad_input) when a context is too short for one needle and its question, when the
  /// haystack is too short for the context, when documents do not divide the context, or as validate().
  NeedleBatches(const BatchOptions& batch, const NeedleBatchOptions& options, const NeedleFormat& format,
                const Haystack& haystack);

 private:
  [[nodiscard]] TrainingSequence draw_sequence(std::int64_t index) const override;
  [[nodiscard]] TermCounts count_targets(std::int64_t index) const override;

  [[nodiscard]] DrawStream draws_of(DrawPurpose purpose, std::int64_t sequence, std::int64_t document) const;
  /// The first draw of a document.
  [[nodiscard]] std::int64_t draw_needle_count(std::int64_t targets, DrawStream& draws) const;
  [[nodiscard]] NeedleDocument draw_document(std::int64_t targets, DrawStream draws) const;
  [[nodiscard]] std::int64_t targets_of(std::int64_t document) const;
  [[nodiscard]] std::int64_t text_targets(std::int64_t targets, std::int64_t needles) const;

  NeedleBatchOptions options_;
  NeedleFormat format_;
  std::span<const Token> hay_;
};

}  // namespace ringworld
