#include "data/needle_format.hpp"

#include <fmt/format.h>

#include <string>
#include <unordered_set>
#include <utility>

#include "core/error.hpp"
#include "core/spelling.hpp"

namespace ringworld {
namespace {

constexpr std::array<std::string_view, 2> template_names{"short1", "long1"};

}  // namespace

NeedleTemplate parse_needle_template(std::string_view name) {
  for (std::size_t index = 0; index < template_names.size(); ++index) {
    if (name == template_names[index]) {
      return static_cast<NeedleTemplate>(index);
    }
  }
  throw_unknown_name("needle template", name, template_names);
}

NeedleFormat::NeedleFormat(const WordTokenizer& tokenizer, NeedleTemplate text)
    : tokenizer_(tokenizer),
      needle_words_(tokenizer.encode(text == NeedleTemplate::short1 ? "magic" : "the magic number for")),
      question_words_(tokenizer.encode(text == NeedleTemplate::short1 ? "what magic" : "what is the magic number for")),
      full_stop_(tokenizer.token(".")) {}

std::vector<NeedleFact> NeedleFormat::draw_facts(std::int64_t count, DrawStream& draws) const {
  std::vector<NeedleFact> facts;
  for (const std::int64_t key : draw_distinct(count, tokenizer_.keys(), draws)) {
    NeedleFact fact{.key = tokenizer_.key(key)};
    for (Token& value : fact.value) {
      value = tokenizer_.value(draws.below(WordTokenizer::values));
    }
    facts.push_back(fact);
  }
  return facts;
}

void NeedleFormat::append(const std::vector<Token>& words, const NeedleFact& fact, std::vector<Token>& tokens) const {
  tokens.insert(tokens.end(), words.begin(), words.end());
  tokens.push_back(fact.key);
  tokens.insert(tokens.end(), fact.value.begin(), fact.value.end());
  tokens.push_back(full_stop_);
}

std::vector<Token> NeedleFormat::needle(const NeedleFact& fact) const {
  std::vector<Token> tokens;
  append(needle_words_, fact, tokens);
  return tokens;
}

NeedleDocument NeedleFormat::write(const NeedlePlan& plan, std::span<const Token> hay) const {
  require(plan.facts.size() == plan.places.size(), "every needle has a place");
  NeedleDocument document;
  document.tokens.push_back(*tokenizer_.bos());
  std::int64_t written = 0;  // hay tokens so far
  const auto write_hay_up_to = [&](std::int64_t place) {
    require(place >= written && place <= static_cast<std::int64_t>(hay.size()),
            "places of needles rise within the hay");
    const auto part = hay.subspan(static_cast<std::size_t>(written), static_cast<std::size_t>(place - written));
    document.tokens.insert(document.tokens.end(), part.begin(), part.end());
    written = place;
  };
  for (std::size_t index = 0; index < plan.facts.size(); ++index) {
    write_hay_up_to(plan.places[index]);
    document.needle_begins.push_back(static_cast<std::int64_t>(document.tokens.size()));
    append(needle_words_, plan.facts[index], document.tokens);
  }
  write_hay_up_to(static_cast<std::int64_t>(hay.size()));
  for (const std::int64_t fact : plan.asked) {
    append(question_words_, plan.facts[static_cast<std::size_t>(fact)], document.tokens);
    document.answer_begins.push_back(static_cast<std::int64_t>(document.tokens.size()) - NeedleFact::value_tokens - 1);
  }
  return document;
}

std::vector<std::int64_t> draw_distinct(std::int64_t count, std::int64_t bound, DrawStream& draws) {
  require(count >= 0 && count <= bound, "more distinct integers than there are");
  // Floyd's sample: each of `count` draws adds one new member; the order is mixed afterwards.
  std::vector<std::int64_t> drawn;
  std::unordered_set<std::int64_t> members;
  for (std::int64_t last = bound - count; last < bound; ++last) {
    const std::int64_t candidate = draws.below(last + 1);
    const std::int64_t member = members.contains(candidate) ? last : candidate;
    members.insert(member);
    drawn.push_back(member);
  }
  for (std::size_t end = drawn.size(); end > 1; --end) {
    std::swap(drawn[end - 1], drawn[static_cast<std::size_t>(draws.below(static_cast<std::int64_t>(end)))]);
  }
  return drawn;
}

std::span<const Token> draw_window(std::span<const Token> haystack, std::int64_t count, DrawStream& draws) {
  const auto size = static_cast<std::int64_t>(haystack.size());
  require(count >= 0 && count <= size, "a window longer than the haystack");
  return haystack.subspan(static_cast<std::size_t>(draws.below(size - count + 1)), static_cast<std::size_t>(count));
}

}  // namespace ringworld
