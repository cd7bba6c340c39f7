#include "tokens/tokenizer.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "tokens/byte_tokenizer.hpp"
#include "tokens/gguf_tokenizer.hpp"
#include "tokens/rank_tokenizer.hpp"
#include "tokens/sentencepiece_tokenizer.hpp"
#include "tokens/tokenizer_json.hpp"
#include "tokens/word_tokenizer.hpp"

namespace ringworld {

std::unique_ptr<Tokenizer> restore_tokenizer(std::string_view text) {
  const std::string_view kind = text.substr(0, text.find_first_of(" \n"));
  if (kind == "byte") {
    return std::make_unique<ByteTokenizer>();
  }
  if (kind == "word") {
    return std::make_unique<WordTokenizer>(WordTokenizer::from_text(text));
  }
  if (kind == "sentencepiece") {
    return restore_sentencepiece_tokenizer(text);
  }
  if (kind == "tokenizer_json") {
    return restore_tokenizer_json(text);
  }
  if (kind == "tiktoken") {
    return restore_tiktoken(text);
  }
  if (kind == "tekken") {
    return restore_tekken(text);
  }
  if (kind == "gguf") {
    return restore_gguf_tokenizer(text);
  }
  throw Error(ErrorKind::bad_input, fmt::format("a tokenizer's text starts with byte, word, sentencepiece, "
                                                "tokenizer_json, tiktoken, tekken or gguf, not '{}'",
                                                kind.substr(0, 40)));
}

void require_token(Token token, std::int64_t vocab_size) {
  require_input(token >= 0 && token < vocab_size,
                fmt::format("token {} is outside the tokenizer's vocabulary of {}", token, vocab_size));
}

}  // namespace ringworld
