#include "experiments/common/named_corpus.hpp"

#include <filesystem>

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

}  // namespace ringworld
