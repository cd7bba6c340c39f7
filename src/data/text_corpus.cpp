#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.hpp"
#include "core/text_file.hpp"
#include "data/corpus.hpp"

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

Corpus read_document_corpus(const std::filesystem::path& file, std::string name) {
  Corpus corpus{.name = std::move(name), .documents = {}};
  const std::string text = read_text_file(file);
  for (std::size_t begin = text.find_first_not_of('\n'); begin < text.size();) {
    const std::size_t end = std::min(text.find("\n\n", begin), text.size() - 1);
    corpus.documents.push_back(text.substr(begin, end - begin));
    corpus.documents.back() += text[end] == '\n' ? "\n" : std::string{text[end], '\n'};
    begin = text.find_first_not_of('\n', end + 1);
  }
  return corpus;
}

}  // namespace ringworld
