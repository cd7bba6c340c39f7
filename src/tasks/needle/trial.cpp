#include "tasks/needle/trial.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "core/error.hpp"

namespace ringworld {
namespace {

/// Most needles of which R (or all, if fewer) are asked for, such that needles and questions leave distinct places.
std::int64_t most_needles(const NeedleFormat& format, const NeedleCell& cell) {
  std::int64_t most = 0;
  while (most < format.tokenizer().keys()) {
    const std::int64_t needles = most + 1;
    const std::int64_t hay = cell.context_length - needles * format.needle_length() -
                             std::min(needles, cell.asked) * format.question_length();
    if (hay + 1 < needles) {
      break;
    }
    most = needles;
  }
  return most;
}

void require_planted(const NeedleFormat& format, const NeedlePlan& plan, const NeedleDocument& document) {
  for (std::size_t index = 0; index < plan.facts.size(); ++index) {
    const std::vector<Token> needle = format.needle(plan.facts[index]);
    const auto begin = document.tokens.begin() + document.needle_begins[index];
    const bool stands = std::equal(needle.begin(), needle.end(), begin);
    const auto times = std::ranges::count(document.tokens, plan.facts[index].key);
    const auto questions = std::ranges::count(plan.asked, static_cast<std::int64_t>(index));
    if (!stands || times != 1 + questions) {
      throw Error(ErrorKind::check_failed,
                  fmt::format("needle {} of a trial does not stand once where it should", index));
    }
  }
}

}  // namespace

void require_cell(const NeedleCell& cell, std::int64_t keys) {
  require_input(cell.planted >= 1, fmt::format("{} needles planted: at least 1", cell.planted));
  require_input(cell.asked >= 1 && cell.asked <= cell.planted,
                fmt::format("{} needles asked for of {} planted: 1 to {}", cell.asked, cell.planted, cell.planted));
  require_input(cell.planted <= keys,
                fmt::format("{} needles need as many distinct keys; there are {}", cell.planted, keys));
  require_input(!cell.depth || (*cell.depth >= 0 && *cell.depth <= 1),
                fmt::format("needle depth {}: 0 (start) to 1 (end)", cell.depth.value_or(0)));
}

DrawStream draws_of_trial(const NeedleCell& cell, std::int64_t trial) {
  // Not a number, so unlike every depth.
  const double depth = cell.depth.value_or(std::numeric_limits<double>::quiet_NaN());
  return {cell.seed,
          DrawPurpose::needle_trial,
          {static_cast<std::uint64_t>(cell.context_length), std::bit_cast<std::uint64_t>(depth + 0.0),
           static_cast<std::uint64_t>(cell.planted), static_cast<std::uint64_t>(cell.asked),
           static_cast<std::uint64_t>(trial)}};
}

TrialPlaces draw_places(const NeedleCell& cell, std::int64_t hay, DrawStream& draws) {
  TrialPlaces drawn{.places = draw_distinct(cell.planted, hay + 1, draws),
                    .asked = draw_distinct(cell.planted, cell.planted, draws)};
  drawn.asked.resize(static_cast<std::size_t>(cell.asked));
  if (cell.depth) {
    const std::int64_t place = std::llround(*cell.depth * static_cast<double>(hay));
    const auto taken = std::ranges::find(drawn.places, place);
    if (taken == drawn.places.end()) {
      drawn.places.front() = place;
    }
    std::ranges::sort(drawn.places);
    const std::int64_t needle = std::ranges::find(drawn.places, place) - drawn.places.begin();
    // The needle at the given depth is asked for first, whether or not it was among the needles asked for.
    const auto asked_already = std::ranges::find(drawn.asked, needle);
    if (asked_already == drawn.asked.end()) {
      drawn.asked.front() = needle;
    } else {
      std::iter_swap(drawn.asked.begin(), asked_already);
    }
    return drawn;
  }
  std::ranges::sort(drawn.places);
  return drawn;
}

NeedleTrial draw_needle_trial(const NeedleFormat& format, const Haystack& haystack, const NeedleCell& cell,
                              std::int64_t trial) {
  require_cell(cell, format.tokenizer().keys());
  const std::int64_t most = most_needles(format, cell);
  require_input(
      cell.planted <= most,
      fmt::format("context length {} does not hold {} needles of {} tokens and {} questions of {}: at most {} "
                  "needles fit",
                  cell.context_length, cell.planted, format.needle_length(), cell.asked, format.question_length(),
                  most));
  const std::span<const Token> tokens = haystack.tokens(HaystackPart::evaluation);
  const std::int64_t rest = cell.planted * format.needle_length() + cell.asked * format.question_length();
  const std::int64_t hay = cell.context_length - rest;
  const auto hay_tokens = static_cast<std::int64_t>(tokens.size());
  require_input(
      hay <= hay_tokens,
      fmt::format("context length {} needs {} tokens of haystack, the evaluation part of '{}' has {}: up to {} "
                  "fits",
                  cell.context_length, hay, haystack.name(), hay_tokens, hay_tokens + rest));

  DrawStream draws = draws_of_trial(cell, trial);
  TrialPlaces drawn = draw_places(cell, hay, draws);
  const NeedlePlan plan{.facts = format.draw_facts(cell.planted, draws),
                        .places = std::move(drawn.places),
                        .asked = std::move(drawn.asked)};
  NeedleDocument document = format.write(plan, draw_window(tokens, hay, draws));
  require_planted(format, plan, document);

  NeedleTrial result;
  for (std::size_t index = 0; index < plan.facts.size(); ++index) {
    std::string key = format.tokenizer().decode({&plan.facts[index].key, 1});
    key.pop_back();  // its colon
    std::string value;
    for (const Token token : plan.facts[index].value) {
      value += format.tokenizer().decode({&token, 1});
    }
    result.needles.push_back(
        {.key = std::move(key),
         .value = std::move(value),
         .begin = document.needle_begins[index],
         .length = format.needle_length(),
         .depth = hay == 0 ? 0.0 : static_cast<double>(plan.places[index]) / static_cast<double>(hay)});
  }
  for (std::size_t question = 0; question < plan.asked.size(); ++question) {
    result.asked.push_back({.needle = plan.asked[question],
                            .answer_begin = document.answer_begins[question],
                            .answer_length = NeedleFact::value_tokens});
  }
  document.tokens.pop_back();  // the last full stop: only a target, never an input
  result.tokens = std::move(document.tokens);
  result.prompt_length = document.answer_begins.front();
  return result;
}

}  // namespace ringworld
