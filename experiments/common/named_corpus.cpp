#include "experiments/common/named_corpus.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/error.hpp"
#include "tokens/word_tokenizer.hpp"

namespace ringworld {
namespace {

Corpus read_kjv() {
  const std::filesystem::path file = kjv_text_file();
  require_input(
      std::filesystem::exists(file),
      fmt::format("the KJV haystack needs '{}'; scripts/make_kjv_text.sh writes it (apt-get install bible-kjv). "
                  "Without it, name text files or choose the synthetic haystack",
                  file.string()));
  return read_document_corpus(file, "King James Bible");
}

}  // namespace

std::filesystem::path kjv_text_file() {
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe");
  return program.parent_path().parent_path() / "share" / "ringworld" / "kjv.txt";
}

std::vector<std::string> haystack_files(const std::vector<std::string>& words) {
  std::vector<std::string> files;
  for (const std::string& word : words) {
    if (!std::filesystem::is_directory(word)) {
      files.push_back(word);
      continue;
    }
    const std::size_t first = files.size();
    for (const auto& entry : std::filesystem::directory_iterator(word)) {
      if (entry.path().extension() == ".txt") {
        files.push_back(entry.path().string());
      }
    }
    std::sort(files.begin() + static_cast<std::ptrdiff_t>(first), files.end());
    if (files.size() == first) {
      files.push_back(word);  // for the reader to refuse
    }
  }
  return files;
}

Corpus read_named_corpus(const std::vector<std::string>& words, std::int64_t seed) {
  if (words.size() == 1 && words.front() == "kjv") {
    return read_kjv();
  }
  if (words.size() == 1 && words.front() == "synthetic") {
    return make_synthetic_corpus({.seed = static_cast<std::uint64_t>(seed)});
  }
  const std::vector<std::string> names = haystack_files(words);
  for (const std::string& name : names) {
    require_input(!std::filesystem::is_directory(name),
                  fmt::format("the haystack folder '{}' holds no .txt file", name));
  }
  const std::vector<std::filesystem::path> files(names.begin(), names.end());
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
