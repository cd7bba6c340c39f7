#include "tokens/byte_tokenizer.hpp"

namespace ringworld {

std::vector<Token> ByteTokenizer::encode(std::string_view text) const {
  std::vector<Token> tokens;
  tokens.reserve(text.size());
  for (const char letter : text) {
    tokens.push_back(static_cast<unsigned char>(letter));
  }
  return tokens;
}

std::string ByteTokenizer::decode(std::span<const Token> tokens) const {
  std::string text;
  text.reserve(tokens.size());
  for (const Token token : tokens) {
    require_token(token, vocab_size());
    if (token < 256) {
      text += static_cast<char>(token);
    } else {
      text += token == bos() ? "<bos>" : "<eos>";
    }
  }
  return text;
}

}  // namespace ringworld
