#pragma once
/// @file  A small world of words, cards and codes, for tests of the vision task.

#include "cards/card_bank.hpp"
#include "cards/handwriting.hpp"
#include "data/corpus.hpp"
#include "data/haystack.hpp"
#include "tasks/task.hpp"
#include "tasks/vision/format.hpp"
#include "tasks/vision/patch_tokenizer.hpp"
#include "tokens/word_tokenizer.hpp"

namespace ringworld::test {

struct VisionWorld {
  Corpus corpus = make_synthetic_corpus({.seed = 3, .words = 5'000, .distinct_words = 300});
  WordTokenizer words{corpus.documents,
                      {.frequent_words = 100,
                       .words = card_words(),
                       .markers = {"<eos>", "<vision>", "</vision>"},
                       .has_values = false}};
  Haystack hay{corpus, words};
  CardWorld cards = small_world();
  PatchTokenizer patches;
  CardBank bank{cards, patches};
  FrameData frames{.codes_per_frame = 16, .codebook_size = 256, .digest = "patches", .cards = &bank};
  Vocabulary vocabulary = vision_vocabulary(words.vocab_size(), 256);

  [[nodiscard]] VisionFormat format() const { return {words, vocabulary, 16, 256}; }
  [[nodiscard]] TaskData data() const {
    return {.haystack = hay, .tokenizer = words, .seed = 7, .vocabulary = vocabulary, .frames = &frames};
  }
};

/// Made once for all tests.
inline VisionWorld& vision_world() {
  static VisionWorld world;
  return world;
}

/// LLaMA's pieces, as far as vision needs them: a text is made of pieces that its words name ("cat" is 6635).
class LlamaPieces final : public Tokenizer {
 public:
  [[nodiscard]] std::string_view kind() const override { return "sentencepiece"; }
  [[nodiscard]] std::int64_t vocab_size() const override { return 32000; }
  [[nodiscard]] std::optional<Token> bos() const override { return 1; }
  [[nodiscard]] std::optional<Token> eos() const override { return 2; }
  [[nodiscard]] std::vector<Token> encode(std::string_view text) const override {
    std::vector<Token> tokens;
    for (const std::string& word : split_words(text)) {
      tokens.push_back(word == "a" ? 263 : word == "cat" ? 6635 : word == "what" ? 825 : 29973);
    }
    return tokens;
  }
  [[nodiscard]] std::string decode(std::span<const Token> /*tokens*/) const override { return {}; }
  [[nodiscard]] std::string to_text() const override { return {}; }
};

}  // namespace ringworld::test
