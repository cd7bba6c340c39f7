#pragma once
/// @file  Documents packed end to end into sequences.
///
///   stream    <bos> a a a <eos> <bos> b b b b b b <eos> <bos> c c <eos> ...     documents in random order
///   sequences|0     0 0 0 0     1   |0 0 0 0 0 0 0     1     1 1 1   |          document ids, S = 6 and so on
///
/// A document may go on in the next sequence. No target crosses from one document to the next; LWM's released code has
/// neither the document ids nor the mask.

#include <mutex>
#include <span>
#include <string_view>

#include "data/batch.hpp"
#include "data/haystack.hpp"

namespace ringworld {

/// Tokens of a document, and which of them count when they are predicted.
struct MaskedDocument {
  std::vector<Token> tokens;
  std::vector<bool> is_target;  ///< of each token
};

/// A piece of a document: LWM's data put what is no target (a prompt) in brackets, and the answer after it.
struct DocumentPiece {
  std::string_view text;
  bool is_target = true;
};

/// bos (no target), the pieces, eos (a target); each as far as the tokenizer has it.
[[nodiscard]] MaskedDocument make_document(const Tokenizer& tokenizer, std::span<const DocumentPiece> pieces);

/// The documents of a part of a haystack between bos and eos, as far as the tokenizer has them.
[[nodiscard]] std::vector<MaskedDocument> documents_of(const Haystack& haystack, HaystackPart part,
                                                       const Tokenizer& tokenizer);

struct PackedBatchOptions {
  std::uint64_t seed = 0;
  std::uint64_t stage = 0;
};

/// Sequences of packed documents; every target is in term 0. Each epoch has the documents in another order.
class PackedBatches final : public BatchSource {
 public:
  /// @throws ringworld::Error (bad_input) when all documents together do not fill a sequence.
  PackedBatches(const BatchOptions& batch, const PackedBatchOptions& options, std::vector<MaskedDocument> documents);

  /// Sequences until every document was seen; the tokens that are left over are in no sequence of that epoch.
  [[nodiscard]] std::int64_t sequences_per_epoch() const { return sequences_per_epoch_; }

 private:
  /// The stream of one epoch.
  struct Epoch {
    std::int64_t index = -1;
    std::vector<std::size_t> order;
    std::vector<std::int64_t> begins;  ///< in the stream, of each document in that order
  };

  [[nodiscard]] TrainingSequence draw_sequence(std::int64_t index) const override;
  [[nodiscard]] TermCounts count_targets(std::int64_t index) const override;
  [[nodiscard]] Epoch draw_epoch(std::int64_t index) const;

  PackedBatchOptions options_;
  std::vector<MaskedDocument> documents_;
  std::int64_t sequences_per_epoch_ = 0;
  mutable std::mutex mutex_;
  mutable Epoch epoch_;  ///< the last one drawn; guarded by mutex_
};

}  // namespace ringworld
