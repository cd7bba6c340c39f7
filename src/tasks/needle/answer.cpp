#include "tasks/needle/answer.hpp"

#include <algorithm>

namespace ringworld {
namespace {

template <class Predicate>
bool any_other_value(const NeedleTrial& trial, std::int64_t needle, Predicate&& predicate) {
  const std::string& own = trial.needles[static_cast<std::size_t>(needle)].value;
  return std::ranges::any_of(trial.needles,
                             [&](const PlantedNeedle& other) { return other.value != own && predicate(other.value); });
}

}  // namespace

std::string printed_answer(const Tokenizer& tokenizer, std::span<const Token> tokens) {
  std::string text = tokenizer.decode(tokens);
  std::erase(text, ' ');
  return text;
}

bool is_another_value(const NeedleTrial& trial, std::int64_t needle, const std::string& text) {
  return any_other_value(trial, needle, [&](const std::string& value) { return value == text; });
}

bool begins_another_value(const NeedleTrial& trial, std::int64_t needle, const std::string& text) {
  return any_other_value(trial, needle, [&](const std::string& value) { return value.starts_with(text); });
}

}  // namespace ringworld
