#include "tasks/needle/format.hpp"

#include <fmt/format.h>

#include <string>

#include "core/error.hpp"

namespace ringworld {
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

}  // namespace ringworld
