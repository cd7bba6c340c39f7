#include "tasks/needle/sentence_ends.hpp"

#include <string>

namespace ringworld {

SentenceEnds::SentenceEnds(const Tokenizer& tokenizer) {
  for (Token token = 0; token < tokenizer.vocab_size(); ++token) {
    const std::string text = tokenizer.decode({&token, 1});
    is_end_.push_back(text.ends_with('.') || text.ends_with('!') || text.ends_with('?'));
  }
}

std::int64_t SentenceEnds::after_last(std::span<const Token> text, std::int64_t place) const {
  if (place == static_cast<std::int64_t>(text.size())) {
    return place;
  }
  while (place > 0 && !is_end_[static_cast<std::size_t>(text[static_cast<std::size_t>(place - 1)])]) {
    --place;
  }
  return place;
}

}  // namespace ringworld
