#include "tasks/needle/batches.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "core/error.hpp"

namespace ringworld {
namespace {

constexpr TermIndex answer_term = 0;
constexpr TermIndex text_term = 1;

void require_probability(double value, std::string_view name) {
  require_input(value >= 0 && value <= 1, fmt::format("{} {} of needle data: 0 to 1", name, value));
}

}  // namespace

void validate(const NeedleBatchOptions& options) {
  require_probability(options.dense_probability, "dense probability");
  require_probability(options.dense_share_of_tokens, "dense share of tokens");
  require_probability(options.last_depth_probability, "last depth probability");
  require_probability(options.text_share, "text share");
  require_input(options.max_needles >= 1, fmt::format("max needles {}: at least 1", options.max_needles));
  require_input(options.documents_per_sequence >= 1,
                fmt::format("documents_per_sequence {}: at least 1", options.documents_per_sequence));
}

NeedleBatches::NeedleBatches(const BatchOptions& batch, const NeedleBatchOptions& options, const NeedleFormat& format,
                             const Haystack& haystack)
    : BatchSource(batch), options_(options), format_(format), hay_(haystack.tokens(HaystackPart::training)) {
  require(terms().size() == 2, "needle sequences have an answer loss and a text loss");
  validate(options);
  require_input(batch.context_length % options.documents_per_sequence == 0,
                fmt::format("context length {} does not divide into {} documents", batch.context_length,
                            options.documents_per_sequence));
  const std::int64_t pair = format.needle_length() + format.question_length();
  require_input(targets_of(0) >= pair,
                fmt::format("context length {} is too short: a document of {} tokens cannot hold a needle and its "
                            "question, which take {}",
                            batch.context_length, batch.context_length / options.documents_per_sequence, pair + 1));
  const std::int64_t hay_needed = targets_of(options.documents_per_sequence - 1) - pair;
  const auto hay_tokens = static_cast<std::int64_t>(hay_.size());
  require_input(
      hay_needed <= hay_tokens,
      fmt::format("context length {} needs {} tokens of haystack, the training part of '{}' has {}: documents "
                  "of up to {} tokens fit",
                  batch.context_length, hay_needed, haystack.name(), hay_tokens, hay_tokens + pair));
}

// A sequence has S + 1 tokens. Its documents fill S / documents of them each, and the last one takes the odd token:
//
//   tokens   b d d d d d|b d d d d d d       two documents, S = 12
//   inputs   x x x x x x|x x x x x x
//   targets    x x x x x|- x x x x x x       -: the next document's <bos>, not in the loss
std::int64_t NeedleBatches::targets_of(std::int64_t document) const {
  const std::int64_t tokens = context_length() / options_.documents_per_sequence;
  return document + 1 == options_.documents_per_sequence ? tokens : tokens - 1;
}

DrawStream NeedleBatches::draws_of(DrawPurpose purpose, std::int64_t sequence, std::int64_t document) const {
  return {options_.seed,
          purpose,
          {options_.stage, static_cast<std::uint64_t>(sequence), static_cast<std::uint64_t>(document)}};
}

std::int64_t NeedleBatches::draw_needle_count(std::int64_t targets, DrawStream& draws) const {
  const std::int64_t pair = format_.needle_length() + format_.question_length();
  const auto dense = static_cast<std::int64_t>(options_.dense_share_of_tokens * static_cast<double>(targets) /
                                               static_cast<double>(pair));
  const std::int64_t most =
      std::clamp<std::int64_t>(dense, 1, std::min(options_.max_needles, format_.tokenizer().keys()));
  if (draws.unit() < options_.dense_probability) {
    return most;
  }
  const double logarithm = draws.unit() * std::log(static_cast<double>(most) + 0.49);
  return std::clamp<std::int64_t>(std::llround(std::exp(logarithm)), 1, most);
}

std::int64_t NeedleBatches::text_targets(std::int64_t targets, std::int64_t needles) const {
  if (terms()[text_term].weight == 0) {
    return 0;
  }
  const std::int64_t others = targets - needles * NeedleFact::value_tokens;
  return std::llround(options_.text_share * static_cast<double>(others));
}

NeedleDocument NeedleBatches::draw_document(std::int64_t targets, DrawStream draws) const {
  const std::int64_t needles = draw_needle_count(targets, draws);
  const std::int64_t hay = targets - needles * (format_.needle_length() + format_.question_length());
  NeedlePlan plan;
  plan.facts = format_.draw_facts(needles, draws);
  for (std::int64_t needle = 0; needle < needles; ++needle) {
    plan.places.push_back(draws.below(hay + 1));
  }
  std::ranges::sort(plan.places);
  const bool has_last_depth = draws.unit() < options_.last_depth_probability;
  plan.asked = draw_distinct(needles, needles, draws);
  if (has_last_depth) {
    plan.places.back() = hay;
    // Asked for first: behind other questions it would not be next to its own.
    std::iter_swap(plan.asked.begin(), std::ranges::find(plan.asked, needles - 1));
  }
  return format_.write(plan, draw_window(hay_, hay, draws));
}

TrainingSequence NeedleBatches::draw_sequence(std::int64_t index) const {
  TrainingSequence sequence;
  sequence.terms.assign(static_cast<std::size_t>(context_length()), no_term);
  for (std::int64_t number = 0; number < options_.documents_per_sequence; ++number) {
    const std::int64_t targets = targets_of(number);
    const NeedleDocument document = draw_document(targets, draws_of(DrawPurpose::needle_sequence, index, number));
    // Target i of the sequence is token i + 1, so the first target of a document stands where its first token does.
    const std::span<TermIndex> terms =
        std::span(sequence.terms).subspan(sequence.tokens.size(), static_cast<std::size_t>(targets));
    for (const std::int64_t answer : document.answer_begins) {
      std::ranges::fill(terms.subspan(static_cast<std::size_t>(answer - 1), NeedleFact::value_tokens), answer_term);
    }
    // A sample of exactly `wanted` of the others, in one pass (Knuth, volume 2, algorithm S).
    DrawStream draws = draws_of(DrawPurpose::text_targets, index, number);
    const auto needles = static_cast<std::int64_t>(document.needle_begins.size());
    std::int64_t wanted = text_targets(targets, needles);
    std::int64_t left = targets - needles * NeedleFact::value_tokens;
    for (std::size_t target = 0; wanted > 0; ++target) {
      if (terms[target] == no_term) {
        if (draws.below(left) < wanted) {
          terms[target] = text_term;
          --wanted;
        }
        --left;
      }
    }
    sequence.tokens.insert(sequence.tokens.end(), document.tokens.begin(), document.tokens.end());
    if (options_.documents_per_sequence > 1) {
      sequence.segment_ids.resize(std::min(sequence.tokens.size(), static_cast<std::size_t>(context_length())),
                                  static_cast<std::int32_t>(number));
    }
  }
  return sequence;
}

TermCounts NeedleBatches::count_targets(std::int64_t index) const {
  TermCounts counts(terms().size(), 0);
  for (std::int64_t document = 0; document < options_.documents_per_sequence; ++document) {
    DrawStream draws = draws_of(DrawPurpose::needle_sequence, index, document);
    const std::int64_t needles = draw_needle_count(targets_of(document), draws);
    counts[answer_term] += needles * NeedleFact::value_tokens;
    counts[text_term] += text_targets(targets_of(document), needles);
  }
  return counts;
}

}  // namespace ringworld
