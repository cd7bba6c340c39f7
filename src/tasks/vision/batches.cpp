#include "tasks/vision/batches.hpp"

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "data/draw_stream.hpp"

namespace ringworld {

VisionBatches::VisionBatches(const BatchOptions& batch, const VisionBatchOptions& options, VocabularyPart vision,
                             VisionTerms terms, PackingPlan plan, std::unique_ptr<VisionExamples> examples,
                             Token padding)
    : BatchSource(batch),
      options_(options),
      vision_(std::move(vision)),
      vision_terms_(std::move(terms)),
      plan_(std::move(plan)),
      padding_(padding),
      examples_(std::move(examples)) {
  require(plan_.rows > 0 && (options_.shuffles_rows || plan_.rows == batch.sequences_per_step),
          "the rows of a mixture are those of a step");
}

VisionBatches::Place VisionBatches::place_of(std::int64_t index) const {
  Place place{.round = index / plan_.rows, .row = index % plan_.rows};
  if (options_.shuffles_rows) {
    if (shuffled_round_ != place.round) {
      DrawStream draws(options_.seed, DrawPurpose::document_order,
                       {options_.stage, static_cast<std::uint64_t>(place.round)});
      row_order_ = draw_distinct(plan_.rows, plan_.rows, draws);
      shuffled_round_ = place.round;
    }
    place.row = row_order_[static_cast<std::size_t>(place.row)];
  }
  return place;
}

TrainingSequence VisionBatches::draw(std::int64_t index, bool is_outline) const {
  const std::scoped_lock lock(mutex_);
  const Place place = place_of(index);
  const bool is_stream = options_.packing == VisionPacking::naive;
  const std::vector<std::int64_t>& documents = plan_.lists[is_stream ? 0 : static_cast<std::size_t>(place.row)];
  const std::int64_t begin = is_stream ? place.row * context_length() : 0;  // of the row, in its list's tokens
  const std::int64_t end = begin + context_length() + 1;
  if (!is_outline && !is_stream) {
    examples_->prepare(documents, place.round);
  }
  TrainingSequence sequence;
  std::int64_t passed = 0;  // tokens of the list before the document
  std::int32_t document_id = 0;
  for (auto number = documents.begin(); number != documents.end() && passed < end; ++number) {
    if (is_stream && passed < begin) {
      if (const std::int64_t length = examples_->length(*number, place.round); passed + length <= begin) {
        passed += length;
        continue;
      }
    }
    const VisionExample example =
        is_outline ? examples_->outline(*number, place.round) : examples_->example(*number, place.round);
    const VisionDocument& document = example.document;
    const std::int64_t size = std::ssize(document.tokens);
    for (std::int64_t token = std::max<std::int64_t>(0, begin - passed); token < std::min(size, end - passed);
         ++token) {
      const auto at = static_cast<std::size_t>(token);
      if (!sequence.tokens.empty()) {  // the row's first token is no target
        const bool counts = token > 0 && document.is_target[at];
        sequence.terms.push_back(counts ? vision_terms_.term_of(example.kind, vision_.contains(document.tokens[at]))
                                        : no_term);
      }
      sequence.tokens.push_back(document.tokens[at]);
      sequence.segment_ids.push_back(document_id);
    }
    passed += size;
    ++document_id;
  }
  const auto whole = static_cast<std::size_t>(context_length());
  sequence.tokens.resize(whole + 1, padding_);
  sequence.terms.resize(whole, no_term);
  constexpr std::int32_t no_document = -1;  // sees nothing, and nothing sees it
  sequence.segment_ids.resize(whole, no_document);
  return sequence;
}

TrainingSequence VisionBatches::draw_sequence(std::int64_t index) const { return draw(index, false); }

TermCounts VisionBatches::count_targets(std::int64_t index) const {
  return count_terms(draw(index, true).terms, terms().size());
}

}  // namespace ringworld
