#include "experiments/train/training_data.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "core/error.hpp"
#include "experiments/common/content_digest.hpp"
#include "experiments/common/handwriting.hpp"
#include "experiments/common/named_corpus.hpp"
#include "tasks/vision/format.hpp"
#include "tokens/byte_tokenizer.hpp"
#include "tokens/read_tokenizer.hpp"
#include "tokens/word_tokenizer.hpp"
#include "vqgan/vqgan.hpp"

namespace ringworld {
namespace {

void add_new(const std::vector<std::string>& from, std::vector<std::string>& to) {
  std::ranges::copy_if(from, std::back_inserter(to),
                       [&](const std::string& name) { return std::ranges::find(to, name) == to.end(); });
}

/// What some stage's task needs tokens for, each once.
TaskWords words_of(std::span<const Stage> stages) {
  TaskWords words;
  for (const Stage& stage : stages) {
    const TaskWords of_task = stage.task->words();
    add_new(of_task.keys, words.keys);
    add_new(of_task.words, words.words);
    add_new(of_task.markers, words.markers);
  }
  return words;
}

}  // namespace

TrainingData::TrainingData(const DataOptions& options, std::int64_t seed, std::span<const Stage> stages,
                           const FrameCompute& compute)
    : seed_(seed) {
  const Corpus corpus = read_named_corpus(options.haystack, seed);
  text_digest_ = content_digest(corpus.documents);
  if (options.tokenizer == "word") {
    const TaskWords words = words_of(stages);
    tokenizer_ = std::make_unique<WordTokenizer>(
        corpus.documents, WordVocabularyOptions{.frequent_words = options.frequent_words,
                                                .keys = words.keys,
                                                .words = words.words,
                                                .markers = words.markers,
                                                .has_values = !words.keys.empty() || words.markers.empty()});
  } else if (options.tokenizer == "byte") {
    tokenizer_ = std::make_unique<ByteTokenizer>();
  } else if (options.tokenizer == "weights") {
    tokenizer_ = restore_tokenizer(options.tokenizer_of_weights);
  } else {
    tokenizer_ = read_tokenizer(options.tokenizer);
  }
  warning_ = warning_of(corpus, *tokenizer_);
  haystack_ = std::make_unique<Haystack>(corpus, *tokenizer_);
  read_frames(options, stages, compute);
}

void TrainingData::read_frames(const DataOptions& options, std::span<const Stage> stages, const FrameCompute& compute) {
  if (std::ranges::none_of(stages, [](const Stage& stage) { return stage.task->has_frames(); })) {
    return;
  }
  frames_ = FrameData{
      .codes_per_frame = options.codes_per_frame, .codebook_size = options.codebook_size, .digest = {}, .cards = {}};
  if (!options.frame_tokenizer.empty()) {
    frame_tokenizer_ = read_frame_tokenizer(options.frame_tokenizer, compute.backend, compute.threads);
    frames_ = FrameData{.codes_per_frame = frame_tokenizer_->codes_per_frame(),
                        .codebook_size = frame_tokenizer_->codebook_size(),
                        .digest = frame_tokenizer_->digest(),
                        .cards = {}};
  }
  require_input(frames_->codes_per_frame >= 1 && frames_->codebook_size >= 1,
                fmt::format("[data]: codes_per_frame {} and codebook_size {}; give 1 or more", frames_->codes_per_frame,
                            frames_->codebook_size));
  if (options.cards) {
    require_input(frame_tokenizer_ != nullptr, "[data]: cards are pictures, and need a frame_tokenizer");
    cards_ = read_card_world({.variants = options.card_variants, .frame_side = frame_tokenizer_->frame_side()});
    bank_ = std::make_unique<CardBank>(*cards_, *frame_tokenizer_);
    frames_->cards = bank_.get();
  }
}

Vocabulary TrainingData::vocabulary() const {
  return frames_ ? vision_vocabulary(tokenizer_->vocab_size(), frames_->codebook_size) : tokenizer_->vocab_size();
}

std::unique_ptr<BatchSource> TrainingData::make_source(const Stage& stage, std::int64_t index,
                                                       const Vocabulary& vocabulary) const {
  try {
    return stage.task->source(
        {.haystack = *haystack_,
         .tokenizer = *tokenizer_,
         .seed = static_cast<std::uint64_t>(seed_),
         .vocabulary = vocabulary,
         .frames = frames()},
        {.index = index, .context_length = stage.context_length, .sequences_per_step = stage.batch});
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("stage {}: {}", index, error.what()), error.where());
  }
}

}  // namespace ringworld
