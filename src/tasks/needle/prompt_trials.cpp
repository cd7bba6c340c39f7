#include "tasks/needle/prompt_trials.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "tasks/needle/city_names.hpp"

namespace ringworld {
namespace {

constexpr std::string_view after_question =
    " Don't give information outside the document or repeat your findings. Keep your response short and direct.";

struct Fact {
  std::string city;
  std::string number;
};

/// Distinct cities and distinct numbers of seven digits.
std::vector<Fact> draw_facts(std::int64_t count, DrawStream& draws) {
  constexpr std::int64_t smallest = 1'000'000;
  const auto cities = draw_distinct(count, static_cast<std::int64_t>(city_names.size()), draws);
  const auto numbers = draw_distinct(count, 9 * smallest, draws);
  std::vector<Fact> facts;
  for (std::size_t index = 0; index < cities.size(); ++index) {
    facts.push_back({.city = std::string(city_names[static_cast<std::size_t>(cities[index])]),
                     .number = fmt::format("{}", smallest + numbers[index])});
  }
  return facts;
}

std::string sentence_of(const Fact& fact) {
  return fmt::format("The special magic {} number is: {}", fact.city, fact.number);
}

/// "A", "A and B", "A, B, and C"
std::string list_cities(const std::vector<Fact>& facts, const std::vector<std::int64_t>& asked) {
  std::string list;
  for (std::size_t index = 0; index < asked.size(); ++index) {
    if (index > 0) {
      list += asked.size() > 2 ? ", " : " ";
      list += index + 1 == asked.size() ? "and " : "";
    }
    list += facts[static_cast<std::size_t>(asked[index])].city;
  }
  return list;
}

std::string question_for(const std::vector<Fact>& facts, const std::vector<std::int64_t>& asked) {
  return asked.size() == 1 ? fmt::format(" What is the special magic {} number?", list_cities(facts, asked))
                           : fmt::format(" What are the special magic numbers for {}?", list_cities(facts, asked));
}

void append(std::vector<Token>& tokens, const std::vector<Token>& more) {
  tokens.insert(tokens.end(), more.begin(), more.end());
}

/// The fact at each place: asked ones where the places drawn for them are, the others, in order, at what is left.
std::vector<std::int64_t> facts_in_order(const std::vector<std::int64_t>& asked, const TrialPlaces& drawn) {
  constexpr std::int64_t none = -1;
  std::vector<std::int64_t> order(drawn.places.size(), none);
  for (std::size_t index = 0; index < asked.size(); ++index) {
    order[static_cast<std::size_t>(drawn.asked[index])] = asked[index];
  }
  std::int64_t next = 0;
  for (std::int64_t& fact : order) {
    if (fact == none) {
      while (std::ranges::find(asked, next) != asked.end()) {
        ++next;
      }
      fact = next++;
    }
  }
  return order;
}

void require_planted_once(const std::string& text, const Fact& fact) {
  const std::string sentence = sentence_of(fact);
  const std::size_t first = text.find(sentence);
  if (first == std::string::npos || text.find(sentence, first + 1) != std::string::npos) {
    throw Error(ErrorKind::check_failed, fmt::format("a context does not hold '{}' once", sentence));
  }
}

}  // namespace

PromptTrials::PromptTrials(const Tokenizer& tokenizer, const Haystack& haystack, ChatTemplate chat)
    : tokenizer_(tokenizer), haystack_(haystack), chat_(std::move(chat)), sentence_ends_(tokenizer) {
  require_input(tokenizer.kind() != "word",
                "a word tokenizer cannot spell LWM's needles; choose the byte tokenizer or one of subwords");
}

struct PromptTrials::Parts {
  std::vector<Fact> facts;
  std::vector<std::vector<Token>> needles;  // of each fact
  std::vector<std::int64_t> asked;          // facts, in order
  std::vector<Token> head;                  // up to the hay
  std::vector<Token> tail;                  // the question, then the answers
  std::int64_t question_length = 0;
  std::vector<AskedNeedle> answers;  // `needle` is a fact, `answer_begin` counts from the tail's begin

  [[nodiscard]] std::int64_t size() const {
    std::size_t size = head.size() + tail.size();
    for (const auto& needle : needles) {
      size += needle.size();
    }
    return static_cast<std::int64_t>(size);
  }
};

PromptTrials::Parts PromptTrials::write_parts(const NeedleCell& cell, DrawStream& draws) const {
  Parts parts;
  parts.facts = draw_facts(cell.planted, draws);
  for (const Fact& fact : parts.facts) {
    parts.needles.push_back(tokenizer_.encode(fmt::format("\n{}\n", sentence_of(fact))));
  }
  parts.asked = draw_distinct(cell.planted, cell.planted, draws);
  parts.asked.resize(static_cast<std::size_t>(cell.asked));
  parts.head = begin_document(tokenizer_, chat_.prefix);
  parts.tail = tokenizer_.encode_markup(
      fmt::format("{}{}{}", question_for(parts.facts, parts.asked), after_question, chat_.suffix));
  parts.question_length = static_cast<std::int64_t>(parts.tail.size());
  for (const std::int64_t asked : parts.asked) {
    const Fact& fact = parts.facts[static_cast<std::size_t>(asked)];
    if (parts.asked.size() > 1) {
      append(parts.tail, tokenizer_.encode(fmt::format("{}{}: ", parts.answers.empty() ? "" : ", ", fact.city)));
    }
    const std::vector<Token> number = tokenizer_.encode(fact.number);
    parts.answers.push_back({.needle = asked,
                             .answer_begin = static_cast<std::int64_t>(parts.tail.size()),
                             .answer_length = static_cast<std::int64_t>(number.size())});
    append(parts.tail, number);
  }
  return parts;
}

NeedleTrial PromptTrials::put_together(const Parts& parts, std::span<const Token> hay, const TrialPlaces& drawn) const {
  NeedleTrial trial;
  trial.tokens = parts.head;
  std::size_t written = 0;  // hay tokens so far
  const auto write_hay_up_to = [&](std::int64_t place) {
    const auto part = hay.subspan(written, static_cast<std::size_t>(place) - written);
    trial.tokens.insert(trial.tokens.end(), part.begin(), part.end());
    written = static_cast<std::size_t>(place);
  };
  const std::vector<std::int64_t> order = facts_in_order(parts.asked, drawn);
  std::vector<std::int64_t> needle_of_fact(order.size());
  const auto hay_size = static_cast<std::int64_t>(hay.size());
  for (std::size_t index = 0; index < order.size(); ++index) {
    const std::int64_t place = sentence_ends_.after_last(hay, drawn.places[index]);
    write_hay_up_to(place);
    const auto fact = static_cast<std::size_t>(order[index]);
    needle_of_fact[fact] = static_cast<std::int64_t>(index);
    trial.needles.push_back(
        {.key = parts.facts[fact].city,
         .value = parts.facts[fact].number,
         .begin = static_cast<std::int64_t>(trial.tokens.size()),
         .length = static_cast<std::int64_t>(parts.needles[fact].size()),
         .depth = hay_size == 0 ? 0.0 : static_cast<double>(place) / static_cast<double>(hay_size)});
    append(trial.tokens, parts.needles[fact]);
  }
  write_hay_up_to(hay_size);
  const auto tail_begin = static_cast<std::int64_t>(trial.tokens.size());
  append(trial.tokens, parts.tail);
  trial.prompt_length = tail_begin + parts.question_length;
  for (AskedNeedle answer : parts.answers) {
    answer.needle = needle_of_fact[static_cast<std::size_t>(answer.needle)];
    answer.answer_begin += tail_begin;
    trial.asked.push_back(answer);
  }
  return trial;
}

NeedleTrial PromptTrials::draw(const NeedleCell& cell, std::int64_t trial) const {
  DrawStream draws = draws_of_trial(cell, trial);
  require_cell(cell, static_cast<std::int64_t>(city_names.size()));
  return draw_around(write_parts(cell, draws), cell, 0, draws);
}

OpenTrial PromptTrials::draw_open(const NeedleCell& cell, std::int64_t trial, std::int64_t answer_tokens) const {
  DrawStream draws = draws_of_trial(cell, trial);
  require_cell(cell, static_cast<std::int64_t>(city_names.size()));
  Parts parts = write_parts(cell, draws);
  parts.tail.resize(static_cast<std::size_t>(parts.question_length));
  NeedleTrial drawn = draw_around(parts, cell, answer_tokens, draws);
  OpenTrial open{.prompt = std::move(drawn.tokens), .answers = {}};
  for (const AskedNeedle& asked : drawn.asked) {
    open.answers.push_back(drawn.needles[static_cast<std::size_t>(asked.needle)].value);
  }
  return open;
}

NeedleTrial PromptTrials::draw_around(const Parts& parts, const NeedleCell& cell, std::int64_t answer_tokens,
                                      DrawStream& draws) const {
  const std::int64_t fixed = parts.size() + answer_tokens;
  const std::int64_t hay_size = cell.context_length - fixed;
  require_input(hay_size + 1 >= cell.planted,
                fmt::format("context length {} does not hold {} needles of which {} are asked for: prompt, needles and "
                            "answers take {} tokens, so at least {} are needed",
                            cell.context_length, cell.planted, cell.asked, fixed, fixed + cell.planted - 1));
  const std::span<const Token> tokens = haystack_.tokens(HaystackPart::evaluation);
  const auto hay_tokens = static_cast<std::int64_t>(tokens.size());
  require_input(
      hay_size <= hay_tokens,
      fmt::format("context length {} needs {} tokens of haystack, the evaluation part of '{}' has {}: up to {} "
                  "fits",
                  cell.context_length, hay_size, haystack_.name(), hay_tokens, hay_tokens + fixed));
  const std::span<const Token> hay = draw_window(tokens, hay_size, draws);
  const TrialPlaces drawn = draw_places(cell, hay_size, draws);
  NeedleTrial result = put_together(parts, hay, drawn);
  const std::string prompt =
      tokenizer_.decode(std::span<const Token>(result.tokens).first(static_cast<std::size_t>(result.prompt_length)));
  for (const Fact& fact : parts.facts) {
    require_planted_once(prompt, fact);
  }
  return result;
}

}  // namespace ringworld
