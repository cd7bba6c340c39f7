#include "data/packed_rows.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "data/draw_stream.hpp"
#include "data/needle_format.hpp"

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

PackedRows::PackedRows(const BatchOptions& batch, const PackedRowOptions& options,
                       std::vector<MaskedDocument> documents)
    : BatchSource(batch), options_(options), documents_(std::move(documents)) {
  std::int64_t tokens = 0;
  for (const MaskedDocument& document : documents_) {
    require(document.tokens.size() == document.is_target.size(), "a document's mask has as many entries as tokens");
    tokens += static_cast<std::int64_t>(document.tokens.size());
  }
  rows_per_epoch_ = std::max<std::int64_t>(0, tokens - 1) / batch.context_length;  // the last target needs a token too
  require_input(rows_per_epoch_ >= 1,
                fmt::format("context length {} needs {} tokens of documents to pack, there are {}",
                            batch.context_length, batch.context_length + 1, tokens));
}

PackedRows::Epoch PackedRows::draw_epoch(std::int64_t index) const {
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

Row PackedRows::draw_row(std::int64_t global_row) const {
  const std::scoped_lock lock(mutex_);
  const std::int64_t wanted_epoch = global_row / rows_per_epoch_;
  if (epoch_.index != wanted_epoch) {
    epoch_ = draw_epoch(wanted_epoch);
  }
  const std::int64_t row_begin = global_row % rows_per_epoch_ * context_length();
  const std::int64_t row_end = row_begin + context_length() + 1;
  const auto first = std::ranges::upper_bound(epoch_.begins, row_begin) - 1;
  Row row;
  std::int32_t segment = 0;
  for (auto place = static_cast<std::size_t>(first - epoch_.begins.begin());
       place < epoch_.begins.size() && epoch_.begins[place] < row_end; ++place) {
    const MaskedDocument& document = documents_[epoch_.order[place]];
    const auto size = static_cast<std::int64_t>(document.tokens.size());
    const std::int64_t begin = std::max<std::int64_t>(0, row_begin - epoch_.begins[place]);
    const std::int64_t end = std::min(size, row_end - epoch_.begins[place]);
    for (std::int64_t token = begin; token < end; ++token) {
      const auto index = static_cast<std::size_t>(token);
      if (!row.tokens.empty()) {  // the row's first token is no target
        const bool counts = token > 0 && document.is_target[index];
        row.kinds.push_back(counts ? TargetKind::text : TargetKind::none);
      }
      row.tokens.push_back(document.tokens[index]);
      row.segment_ids.push_back(segment);
    }
    segment += begin < end ? 1 : 0;
  }
  row.segment_ids.pop_back();  // the last token is no input
  return row;
}

TargetCounts PackedRows::count_targets(std::int64_t global_row) const {
  return {.text = std::ranges::count(draw_row(global_row).kinds, TargetKind::text)};
}

}  // namespace ringworld
