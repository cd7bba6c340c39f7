#include "experiments/common/named_corpus.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "data/word_tokenizer.hpp"

namespace ringworld {

Corpus read_named_corpus(const std::vector<std::string>& words, std::int64_t seed) {
  if (words.size() == 1 && words.front() == "kjv") {
    return read_kjv_corpus();
  }
  if (words.size() == 1 && words.front() == "synthetic") {
    return make_synthetic_corpus({.seed = static_cast<std::uint64_t>(seed)});
  }
  const std::vector<std::filesystem::path> files(words.begin(), words.end());
  return read_text_corpus(files);
}

std::string warning_of(std::string_view text, const Tokenizer& tokenizer, std::string_view name) {
  constexpr double of_no_account = 0.02;  // quotation marks, brackets, numbers of chapters
  constexpr double percent = 100;
  const double share = tokenizer.kind() == "word" ? dropped_share(text) : 0.0;
  if (share <= of_no_account) {
    return {};
  }
  return fmt::format("{}: {:.1f} % of its bytes, spaces aside, are in no word, and the word tokenizer drops them", name,
                     percent * share);
}

std::string warning_of(const Corpus& corpus, const Tokenizer& tokenizer) {
  for (std::size_t i = 0; i < corpus.documents.size(); ++i) {
    const std::string name = corpus.documents.size() == 1 ? fmt::format("haystack '{}'", corpus.name)
                                                          : fmt::format("haystack '{}', text {}", corpus.name, i + 1);
    if (std::string warning = warning_of(corpus.documents[i], tokenizer, name); !warning.empty()) {
      return warning;
    }
  }
  return {};
}

}  // namespace ringworld
