#pragma once
/// @file  One token a byte: any text, no vocabulary to build.

#include "tokens/tokenizer.hpp"

namespace ringworld {

/// Tokens 0..255 are bytes, 256 is bos, 257 eos.
class ByteTokenizer final : public Tokenizer {
 public:
  [[nodiscard]] std::string_view kind() const override { return "byte"; }
  [[nodiscard]] std::int64_t vocab_size() const override { return 258; }
  [[nodiscard]] std::optional<Token> bos() const override { return 256; }
  [[nodiscard]] std::optional<Token> eos() const override { return 257; }
  [[nodiscard]] std::vector<Token> encode(std::string_view text) const override;
  /// bos and eos become "<bos>" and "<eos>".
  [[nodiscard]] std::string decode(std::span<const Token> tokens) const override;
  [[nodiscard]] std::string to_text() const override { return "byte\n"; }
};

}  // namespace ringworld
