#include "experiments/train/training_data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "core/error.hpp"
#include "core/text_file.hpp"
#include "experiments/common/content_digest.hpp"
#include "experiments/common/named_corpus.hpp"
#include "tokens/byte_tokenizer.hpp"
#include "tokens/sentencepiece_tokenizer.hpp"
#include "tokens/word_tokenizer.hpp"

namespace ringworld {
namespace {

/// A tokenizer's own text, or a SentencePiece model.
std::unique_ptr<Tokenizer> read_tokenizer_file(const std::string& path) {
  require_input(std::filesystem::is_regular_file(path),
                fmt::format("tokenizer '{}': no such file; give word, byte or a file", path));
  const std::string bytes = read_binary_file(path);
  constexpr std::string_view utf8_mark = "\xef\xbb\xbf";
  const std::string_view content = std::string_view(bytes).substr(bytes.starts_with(utf8_mark) ? utf8_mark.size() : 0);
  const std::string_view kind = content.substr(0, content.find_first_of(" \r\n"));
  const bool is_wide = bytes.starts_with("\xff\xfe") || bytes.starts_with("\xfe\xff");  // UTF-16 or UTF-32
  if (kind != "word" && kind != "byte" && kind != "sentencepiece" && !is_wide) {
    return read_sentencepiece_tokenizer(path);
  }
  const std::string text = plain_text(bytes, fmt::format("tokenizer '{}'", path));
  try {
    return restore_tokenizer(text);
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("tokenizer '{}': {}", path, error.what()), error.where());
  }
}

/// Words that some stage's task needs a token for, each once.
std::vector<std::string> words_of(std::span<const Stage> stages) {
  std::vector<std::string> words;
  for (const Stage& stage : stages) {
    for (const std::string& word : stage.task->words()) {
      if (std::ranges::find(words, word) == words.end()) {
        words.push_back(word);
      }
    }
  }
  return words;
}

}  // namespace

TrainingData::TrainingData(const DataOptions& options, std::int64_t seed, std::span<const Stage> stages) : seed_(seed) {
  const Corpus corpus = read_named_corpus(options.haystack, seed);
  text_digest_ = content_digest(corpus.documents);
  if (options.tokenizer == "word") {
    tokenizer_ = std::make_unique<WordTokenizer>(
        corpus.documents, WordVocabularyOptions{.frequent_words = options.frequent_words, .keys = words_of(stages)});
  } else if (options.tokenizer == "byte") {
    tokenizer_ = std::make_unique<ByteTokenizer>();
  } else {
    tokenizer_ = read_tokenizer_file(options.tokenizer);
  }
  warning_ = warning_of(corpus, *tokenizer_);
  haystack_ = std::make_unique<Haystack>(corpus, *tokenizer_);
}

std::unique_ptr<BatchSource> TrainingData::make_source(const Stage& stage, std::int64_t index) const {
  try {
    return stage.task->source(
        {.haystack = *haystack_, .tokenizer = *tokenizer_, .seed = static_cast<std::uint64_t>(seed_)},
        {.index = index, .context_length = stage.context_length, .sequences_per_step = stage.batch});
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("stage {}: {}", index, error.what()), error.where());
  }
}

}  // namespace ringworld
