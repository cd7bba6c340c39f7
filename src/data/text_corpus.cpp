#include <fmt/format.h>

#include "core/error.hpp"
#include "data/corpus.hpp"
#include "data/text_file.hpp"

namespace ringworld {

Corpus read_text_corpus(std::span<const std::filesystem::path> files) {
  require_input(!files.empty(), "a haystack from text files needs at least one file");
  Corpus corpus;
  corpus.name = files.size() == 1 ? files.front().filename().string() : fmt::format("{} text files", files.size());
  for (const auto& file : files) {
    corpus.documents.push_back(read_text_file(file));
  }
  return corpus;
}

}  // namespace ringworld
