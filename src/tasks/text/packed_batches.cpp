#include "tasks/text/packed_batches.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "data/draw_stream.hpp"

namespace ringworld {
namespace {

void begin_document(const Tokenizer& tokenizer, MaskedDocument& document) {
  if (const auto bos = tokenizer.bos()) {
    document.tokens.push_back(*bos);
    document.is_target.push_back(false);
  }
}

void append(MaskedDocument& document, std::span<const Token> tokens, bool is_target) {
  document.tokens.insert(document.tokens.end(), tokens.begin(), tokens.end());
  document.is_target.insert(document.is_target.end(), tokens.size(), is_target);
}

void end_document(const Tokenizer& tokenizer, MaskedDocument& document) {
  if (const auto eos = tokenizer.eos()) {
    append(document, {&*eos, 1}, true);
  }
}

}  // namespace

MaskedDocument make_document(const Tokenizer& tokenizer, std::span<const DocumentPiece> pieces) {
  MaskedDocument document;
  begin_document(tokenizer, document);
  for (const DocumentPiece& piece : pieces) {
    append(document, tokenizer.encode(piece.text), piece.is_target);
  }
  end_document(tokenizer, document);
  return document;
}

std::vector<MaskedDocument> documents_of(const Haystack& haystack, HaystackPart part, const Tokenizer& tokenizer) {
  const std::span<const Token> tokens = haystack.tokens(part);
  std::vector<std::int64_t> borders = haystack.document_begins(part);
  borders.push_back(static_cast<std::int64_t>(tokens.size()));
  std::vector<MaskedDocument> documents;
  for (std::size_t index = 0; index + 1 < borders.size(); ++index) {
    MaskedDocument& document = documents.emplace_back();
    begin_document(tokenizer, document);
    append(document,
           tokens.subspan(static_cast<std::size_t>(borders[index]),
                          static_cast<std::size_t>(borders[index + 1] - borders[index])),
           true);
    end_document(tokenizer, document);
  }
  return documents;
}

PackedBatches::PackedBatches(const BatchOptions& batch, const PackedBatchOptions& options,
                             std::vector<MaskedDocument> documents)
    : BatchSource(batch), options_(options), documents_(std::move(documents)) {
  std::int64_t tokens = 0;
  for (const MaskedDocument& document : documents_) {
    require(document.tokens.size() == document.is_target.size(), "a document's mask has as many entries as tokens");
    tokens += static_cast<std::int64_t>(document.tokens.size());
  }
  sequences_per_epoch_ =
      std::max<std::int64_t>(0, tokens - 1) / batch.context_length;  // the last target needs a token too
  require_input(sequences_per_epoch_ >= 1,
                fmt::format("context length {} needs {} tokens of documents to pack, there are {}",
                            batch.context_length, batch.context_length + 1, tokens));
}

PackedBatches::Epoch PackedBatches::draw_epoch(std::int64_t index) const {
  Epoch epoch{.index = index, .order = {}, .begins = {}};
  DrawStream draws(options_.seed, DrawPurpose::document_order, {options_.stage, static_cast<std::uint64_t>(index)});
  const auto count = static_cast<std::int64_t>(documents_.size());
  std::int64_t begin = 0;
  for (const std::int64_t document : draw_distinct(count, count, draws)) {
    epoch.order.push_back(static_cast<std::size_t>(document));
    epoch.begins.push_back(begin);
    begin += static_cast<std::int64_t>(documents_[static_cast<std::size_t>(document)].tokens.size());
  }
  return epoch;
}

TrainingSequence PackedBatches::draw_sequence(std::int64_t index) const {
  const std::scoped_lock lock(mutex_);
  const std::int64_t wanted_epoch = index / sequences_per_epoch_;
  if (epoch_.index != wanted_epoch) {
    epoch_ = draw_epoch(wanted_epoch);
  }
  const std::int64_t first_token = index % sequences_per_epoch_ * context_length();
  const std::int64_t end_token = first_token + context_length() + 1;
  const auto first = std::ranges::upper_bound(epoch_.begins, first_token) - 1;
  TrainingSequence sequence;
  std::int32_t document_id = 0;
  for (auto place = static_cast<std::size_t>(first - epoch_.begins.begin());
       place < epoch_.begins.size() && epoch_.begins[place] < end_token; ++place) {
    const MaskedDocument& document = documents_[epoch_.order[place]];
    const auto size = static_cast<std::int64_t>(document.tokens.size());
    const std::int64_t begin = std::max<std::int64_t>(0, first_token - epoch_.begins[place]);
    const std::int64_t end = std::min(size, end_token - epoch_.begins[place]);
    for (std::int64_t token = begin; token < end; ++token) {
      const auto place_in_document = static_cast<std::size_t>(token);
      if (!sequence.tokens.empty()) {  // the sequence's first token is no target
        const bool counts = token > 0 && document.is_target[place_in_document];
        sequence.terms.push_back(counts ? TermIndex{0} : no_term);
      }
      sequence.tokens.push_back(document.tokens[place_in_document]);
      sequence.segment_ids.push_back(document_id);
    }
    document_id += begin < end ? 1 : 0;
  }
  sequence.segment_ids.pop_back();  // the last token is no input
  return sequence;
}

TermCounts PackedBatches::count_targets(std::int64_t index) const {
  return count_terms(draw_sequence(index).terms, terms().size());
}

}  // namespace ringworld
