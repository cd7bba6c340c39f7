#include "data/haystack.hpp"

#include <fmt/format.h>

#include "core/error.hpp"

namespace ringworld {

Haystack::Haystack(const Corpus& corpus, const Tokenizer& tokenizer, double training_share) : name_(corpus.name) {
  require_input(training_share >= 0 && training_share <= 1,
                fmt::format("training share {} of a haystack: 0 to 1", training_share));
  append(corpus, tokenizer);
  const auto count = static_cast<double>(tokens_.size());
  training_tokens_ = static_cast<std::int64_t>(training_share * count);
}

void Haystack::append(const Corpus& corpus, const Tokenizer& tokenizer) {
  for (const std::string& document : corpus.documents) {
    const std::vector<Token> tokens = tokenizer.encode(document);
    if (!tokens.empty()) {
      begins_.push_back(static_cast<std::int64_t>(tokens_.size()));
      tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
    }
  }
}

std::span<const Token> Haystack::tokens(HaystackPart part) const {
  const std::span<const Token> all(tokens_);
  const auto border = static_cast<std::size_t>(training_tokens_);
  return part == HaystackPart::training ? all.first(border) : all.subspan(border);
}

std::vector<std::int64_t> Haystack::document_begins(HaystackPart part) const {
  const bool is_training = part == HaystackPart::training;
  const std::int64_t first = is_training ? 0 : training_tokens_;
  const std::int64_t end = is_training ? training_tokens_ : static_cast<std::int64_t>(tokens_.size());
  std::vector<std::int64_t> begins;
  if (first < end) {
    begins.push_back(0);
  }
  for (const std::int64_t begin : begins_) {
    if (begin > first && begin < end) {
      begins.push_back(begin - first);
    }
  }
  return begins;
}

std::span<const Token> draw_window(std::span<const Token> haystack, std::int64_t count, DrawStream& draws) {
  const auto size = static_cast<std::int64_t>(haystack.size());
  require(count >= 0 && count <= size, "a window longer than the haystack");
  return haystack.subspan(static_cast<std::size_t>(draws.below(size - count + 1)), static_cast<std::size_t>(count));
}

}  // namespace ringworld
