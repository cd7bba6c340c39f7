#include "data/batch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"

namespace ringworld {
namespace {

/// Loss weight of one target of a term.
double target_weight(const LossTerm& term, std::int64_t count_of_step, std::int64_t count_of_sequence,
                     std::int64_t sequences) {
  const auto share_of = [](double weight, std::int64_t count) {
    return count == 0 ? 0.0 : weight / static_cast<double>(count);
  };
  switch (term.mean) {
    case LossMean::tokens:
      return share_of(term.weight, count_of_step);
    case LossMean::sequences:
      return share_of(term.weight / static_cast<double>(sequences), count_of_sequence);
    case LossMean::none:
      return term.weight;
  }
  return 0;
}

/// Of each term, the targets of all terms that it shares its mean with.
TermCounts count_groups(const std::vector<LossTerm>& terms, const TermCounts& counts) {
  TermCounts of_group = counts;
  for (std::size_t term = 0; term < terms.size(); ++term) {
    for (std::size_t other = 0; other < terms.size(); ++other) {
      if (other != term && !terms[term].group.empty() && terms[other].group == terms[term].group) {
        of_group[term] += counts[other];
      }
    }
  }
  return of_group;
}

}  // namespace

TermCounts count_terms(const std::vector<TermIndex>& targets, std::size_t terms) {
  TermCounts counts(terms, 0);
  for (const TermIndex term : targets) {
    if (term != no_term) {
      ++counts[term];
    }
  }
  return counts;
}

BatchSource::BatchSource(const BatchOptions& options) : options_(options) {
  require_input(options.context_length >= 1,
                fmt::format("context length {} must be at least 1 token", options.context_length));
  require_input(options.sequences_per_step >= 1,
                fmt::format("batch {} must be at least 1 sequence", options.sequences_per_step));
  require(!options.terms.empty() && options.terms.size() < no_term, "a loss has 1 to 254 terms");
  for (const LossTerm& term : options.terms) {
    require_input(std::isfinite(term.weight) && term.weight >= 0,
                  fmt::format("weight {} of the loss of '{}' must be 0 or more", term.weight, term.name));
    require(std::ranges::all_of(options.terms,
                                [&](const LossTerm& other) {
                                  return term.group.empty() || other.group != term.group ||
                                         (other.weight == term.weight && other.mean == term.mean);
                                }),
            "the terms of a group have one weight and one mean");
  }
}

Batch BatchSource::batch(std::int64_t step, std::int64_t first, std::int64_t count) const {
  require(step >= 0 && first >= 0 && count >= 0 && first + count <= options_.sequences_per_step,
          "sequences outside the step were asked for");
  const std::int64_t step_begin = step * options_.sequences_per_step;
  TermCounts of_step(options_.terms.size(), 0);
  if (std::ranges::any_of(options_.terms, [](const LossTerm& term) { return term.mean == LossMean::tokens; })) {
    for (std::int64_t sequence = 0; sequence < options_.sequences_per_step; ++sequence) {
      std::ranges::transform(of_step, count_targets(step_begin + sequence), of_step.begin(), std::plus<>());
    }
    of_step = count_groups(options_.terms, of_step);
  }
  Batch batch;
  batch.sequences = count;
  batch.context_length = options_.context_length;
  for (std::int64_t sequence = first; sequence < first + count; ++sequence) {
    const TrainingSequence drawn = draw_sequence(step_begin + sequence);
    const TermCounts of_sequence = count_groups(options_.terms, count_terms(drawn.terms, options_.terms.size()));
    std::vector<float> weights;
    for (std::size_t term = 0; term < options_.terms.size(); ++term) {
      weights.push_back(static_cast<float>(
          target_weight(options_.terms[term], of_step[term], of_sequence[term], options_.sequences_per_step)));
    }
    batch.tokens.insert(batch.tokens.end(), drawn.tokens.begin(), drawn.tokens.end() - 1);
    batch.targets.insert(batch.targets.end(), drawn.tokens.begin() + 1, drawn.tokens.end());
    batch.terms.insert(batch.terms.end(), drawn.terms.begin(), drawn.terms.end());
    for (const TermIndex term : drawn.terms) {
      batch.loss_weight.push_back(term == no_term ? 0.0F : weights[term]);
    }
    if (options_.attends_within_documents) {
      batch.segment_ids.insert(batch.segment_ids.end(), drawn.segment_ids.begin(), drawn.segment_ids.end());
    }
  }
  return batch;
}

}  // namespace ringworld
