#pragma once
/// @file  Greedy generation: always the likeliest token.
/// Shapes: B sequences, S tokens of each prompt, V tokens of the vocabulary. Calls are collective as those of Decoder.

#include <span>
#include <vector>

#include "model/decoder.hpp"
#include "tokens/tokenizer.hpp"

namespace ringworld {

class GreedyDecoder {
 public:
  /// @throws as Decoder
  GreedyDecoder(ShardedParameters& parameters, const DecoderOptions& options)
      : batch_(options.batch), decoder_(parameters, options) {}

  /// Forgets what went before and reads prompts.
  /// @param prompt (B, S), the same on every rank     @return (B), the likeliest token after each
  std::vector<Token> read(std::span<const Token> prompt);
  /// Adds a token to each sequence.
  /// @param tokens (B)     @return (B), the likeliest token after them
  std::vector<Token> add(std::span<const Token> tokens);
  /// Reads prompts and follows its own tokens.
  /// @return (B, count), of which the first is the one after the prompt; count <= new_tokens + 1
  std::vector<Token> generate(std::span<const Token> prompt, std::int64_t count);

  /// (B, V) of the last `read` or `add`, in host memory until the next of them. Blocks.
  [[nodiscard]] TensorView<const float, 2> logits() { return decoder_.logits(); }
  /// Bytes of this rank's keys and values.
  [[nodiscard]] std::int64_t cache_bytes() const { return decoder_.cache_bytes(); }

 private:
  std::int64_t batch_;
  Decoder decoder_;
};

}  // namespace ringworld
