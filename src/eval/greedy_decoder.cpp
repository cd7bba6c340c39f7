#include "eval/greedy_decoder.hpp"

namespace ringworld {

std::vector<Token> GreedyDecoder::read(std::span<const Token> prompt) {
  decoder_.read(prompt);
  return decoder_.likeliest();
}

std::vector<Token> GreedyDecoder::add(std::span<const Token> tokens) {
  decoder_.add(tokens);
  return decoder_.likeliest();
}

std::vector<Token> GreedyDecoder::generate(std::span<const Token> prompt, std::int64_t count) {
  std::vector<Token> generated(static_cast<std::size_t>(batch_ * count));
  std::vector<Token> next = read(prompt);
  for (std::int64_t token = 0; token < count; ++token) {
    for (std::int64_t b = 0; b < batch_; ++b) {
      generated[static_cast<std::size_t>(b * count + token)] = next[static_cast<std::size_t>(b)];
    }
    if (token + 1 < count) {
      next = add(next);
    }
  }
  return generated;
}

}  // namespace ringworld
