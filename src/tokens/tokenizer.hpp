#pragma once
/// @file  Conversion of text to the model's tokens and back. A checkpoint carries its tokenizer as one text attribute.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringworld {

/// An index into the vocabulary.
using Token = std::int32_t;

/// Text to tokens and back.
class Tokenizer {
 public:
  Tokenizer() = default;
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;
  virtual ~Tokenizer() = default;

  /// "byte", "word", "sentencepiece", "tokenizer_json", "tiktoken", "tekken" or "gguf".
  [[nodiscard]] virtual std::string_view kind() const = 0;
  [[nodiscard]] virtual std::int64_t vocab_size() const = 0;
  /// The token before a document's first; nothing when the vocabulary has none.
  [[nodiscard]] virtual std::optional<Token> bos() const = 0;
  /// The token after a document's last; nothing when the vocabulary has none.
  [[nodiscard]] virtual std::optional<Token> eos() const = 0;

  /// Tokens of ordinary text. The result never holds a special token, even if the text spells one.
  [[nodiscard]] virtual std::vector<Token> encode(std::string_view text) const = 0;

  /// The same for text that may spell special tokens, as "<|im_start|>": they become tokens where the tokenizer knows
  /// their spelling.
  [[nodiscard]] virtual std::vector<Token> encode_markup(std::string_view text) const { return encode(text); }

  /// Text of `tokens`.
  /// @throws ringworld::Error (bad_input) for a token outside the vocabulary.
  [[nodiscard]] virtual std::string decode(std::span<const Token> tokens) const = 0;

  /// Printable text from which restore_tokenizer() makes an equal tokenizer. Its first line starts with kind().
  [[nodiscard]] virtual std::string to_text() const = 0;
};

/// Makes the tokenizer whose to_text() gave `text`.
/// @throws ringworld::Error (bad_input) when `text` is not that of a tokenizer; for those that a file holds also when
/// the file is gone or is no longer the same file.
[[nodiscard]] std::unique_ptr<Tokenizer> restore_tokenizer(std::string_view text);

/// Throws Error (bad_input) unless 0 <= token < vocab_size.
void require_token(Token token, std::int64_t vocab_size);

}  // namespace ringworld
