#pragma once
/// @file  A small synthetic corpus with its tokenizers and haystacks, for tests of needles and rows.

#include "data/corpus.hpp"
#include "data/haystack.hpp"
#include "tasks/needle/city_names.hpp"
#include "tokens/byte_tokenizer.hpp"
#include "tokens/word_tokenizer.hpp"

namespace ringworld::test {

struct SmallWorld {
  Corpus corpus = make_synthetic_corpus({.seed = 3, .words = 20'000, .distinct_words = 500});
  WordTokenizer words{corpus.documents, {.frequent_words = 200, .keys = needle_keys(128)}};
  ByteTokenizer bytes;
  Haystack word_hay{corpus, words};
  Haystack byte_hay{corpus, bytes};
};

/// Made once for all tests.
inline const SmallWorld& small_world() {
  static const SmallWorld world;
  return world;
}

}  // namespace ringworld::test
