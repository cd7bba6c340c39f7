#include "experiments/train/training_data.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <string_view>

#include "core/error.hpp"
#include "data/byte_tokenizer.hpp"
#include "data/needle_rows.hpp"
#include "data/packed_rows.hpp"
#include "data/sentencepiece_tokenizer.hpp"
#include "data/text_file.hpp"
#include "experiments/common/content_digest.hpp"
#include "experiments/common/named_corpus.hpp"

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

}  // namespace

TrainingData::TrainingData(const DataOptions& options, std::int64_t seed) : options_(options), seed_(seed) {
  const Corpus corpus = read_named_corpus(options.haystack, seed);
  text_digest_ = content_digest(corpus.documents);
  if (options.tokenizer == "word") {
    tokenizer_ = std::make_unique<WordTokenizer>(
        corpus.documents, WordVocabularyOptions{.frequent_words = options.frequent_words, .keys = options.keys});
  } else if (options.tokenizer == "byte") {
    tokenizer_ = std::make_unique<ByteTokenizer>();
  } else {
    tokenizer_ = read_tokenizer_file(options.tokenizer);
  }
  warning_ = warning_of(corpus, *tokenizer_);
  haystack_ = std::make_unique<Haystack>(corpus, *tokenizer_);
}

std::unique_ptr<BatchSource> TrainingData::make_source(const Stage& stage, std::int64_t index) const {
  const BatchOptions batch{.context_length = stage.context_length,
                           .rows_per_step = stage.batch,
                           .text_weight = stage.text_weight,
                           .mean = stage.loss_mean,
                           .attends_within_documents = stage.has_segments()};
  if (stage.needle_template.empty()) {
    return std::make_unique<PackedRows>(
        batch, PackedRowOptions{.seed = static_cast<std::uint64_t>(seed_), .stage = static_cast<std::uint64_t>(index)},
        documents_of(*haystack_, HaystackPart::training, *tokenizer_));
  }
  const auto* const words = dynamic_cast<const WordTokenizer*>(tokenizer_.get());
  require_input(words != nullptr, fmt::format("stage {}: needle_template {} needs tokenizer = \"word\", not {}", index,
                                              stage.needle_template, tokenizer_->kind()));
  return std::make_unique<NeedleRows>(batch,
                                      NeedleRowOptions{.seed = static_cast<std::uint64_t>(seed_),
                                                       .stage = static_cast<std::uint64_t>(index),
                                                       .dense_probability = stage.dense_probability,
                                                       .max_needles = options_.max_needles,
                                                       .last_depth_probability = options_.last_depth_probability,
                                                       .text_share = options_.text_share,
                                                       .documents_per_row = stage.documents_per_row},
                                      NeedleFormat(*words, parse_needle_template(stage.needle_template)), *haystack_);
}

}  // namespace ringworld
