#include "tokens/vocabulary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "core/error.hpp"
#include "core/spelling.hpp"

namespace ringworld {
namespace {

bool is_name(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char letter) { return (letter >= 'a' && letter <= 'z') || letter == '_'; });
}

std::int64_t parse_size(std::string_view text, std::string_view whole) {
  std::int64_t size = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), size);
  require_input(failure == std::errc{} && end == text.data() + text.size(),
                fmt::format("vocabulary '{}': '{}' is no number of tokens; give name:size of each part, as "
                            "text:32000,vision:8448",
                            whole, text));
  return size;
}

}  // namespace

void Vocabulary::append(std::string name, std::int64_t size) {
  const std::int64_t begin = parts_.empty() ? 0 : parts_.back().end();
  parts_.push_back({.name = std::move(name), .begin = begin, .size = size});
}

Vocabulary Vocabulary::parse(std::string_view text) {
  if (text.find(':') == std::string_view::npos) {
    return {parse_size(text, text)};
  }
  Vocabulary vocabulary;
  vocabulary.parts_.clear();
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    const std::size_t colon = std::min(part.find(':'), part.size());
    const std::string_view name = part.substr(0, colon);
    require_input(is_name(name), fmt::format("vocabulary '{}': a part is called '{}'; give small letters", text, name));
    vocabulary.append(std::string(name), parse_size(part.substr(std::min(colon + 1, part.size())), text));
    begin = end + 1;
  }
  validate(vocabulary);
  return vocabulary;
}

std::size_t Vocabulary::part_of(std::int64_t token) const {
  const auto after = std::ranges::upper_bound(parts_, token, {}, &VocabularyPart::begin);
  return static_cast<std::size_t>(after - parts_.begin()) - 1;
}

const VocabularyPart& Vocabulary::part(std::string_view name) const {
  const auto found = std::ranges::find(parts_, name, &VocabularyPart::name);
  if (found == parts_.end()) {
    std::vector<std::string_view> names;
    for (const VocabularyPart& part : parts_) {
      names.push_back(part.name);
    }
    throw_unknown_name("vocabulary part", name, names);
  }
  return *found;
}

Vocabulary Vocabulary::with_first_part(std::int64_t size) const {
  Vocabulary changed;
  changed.parts_.clear();
  for (const VocabularyPart& part : parts_) {
    changed.append(part.name, changed.parts_.empty() ? size : part.size);
  }
  return changed;
}

std::string Vocabulary::to_text() const {
  std::string text;
  for (const VocabularyPart& part : parts_) {
    text += fmt::format("{}{}:{}", text.empty() ? "" : ",", part.name, part.size);
  }
  return text;
}

void validate(const Vocabulary& vocabulary) {
  for (const VocabularyPart& part : vocabulary.parts()) {
    require_input(part.size > 0,
                  fmt::format("model: vocab_size of part '{}' is {}; give 1 or more", part.name, part.size));
    // Before the sum, which must not overflow.
    require_input(part.size <= std::numeric_limits<std::int32_t>::max() - part.begin,
                  fmt::format("model: vocab_size is {} and more; token ids are 32 bits wide", part.size));
    // Names of tensors are made of it (model/parameter_layout.cpp): lm_head and embed_tokens are those of the first part.
    require_input(part.name != "lm" && part.name != "tokens" && part.name.size() <= 32,
                  fmt::format("model: a part of the vocabulary cannot be called '{}'; give another name of at most 32 "
                              "characters",
                              part.name));
    require_input(std::ranges::count(vocabulary.parts(), part.name, &VocabularyPart::name) == 1,
                  fmt::format("model: two parts of the vocabulary are called '{}'", part.name));
  }
}

}  // namespace ringworld
