#pragma once
/// @file  Greedy generation: one pass over the prompt by ring attention, then token by token from a key/value cache
/// which stays where the pass left it.
/// Shapes: B sequences, S tokens of each prompt, C hidden_size, V vocab_size.
///
///   prompt   | rank 0 | rank 1 | rank 2 |     ring attention; each rank keeps the keys and values of its own tokens
///   new          0        1        2          token n goes to rank n mod P; its query is answered by all caches

#include <memory>
#include <span>
#include <vector>

#include "data/tokenizer.hpp"
#include "eval/key_value_cache.hpp"
#include "model/layer.hpp"
#include "model/parameters.hpp"
#include "ring/partition.hpp"

namespace ringworld {

struct GreedyDecoderOptions {
  std::int64_t batch = 1;          ///< B
  std::int64_t prompt_length = 0;  ///< S, of which a rank may hold none
  std::int64_t new_tokens = 1;     ///< most that are generated
  Layout layout = Layout::zigzag;
  double rope_theta = 10000.0;
  Backend backend = Backend::host;
  int threads = 1;
};

/// Serves one shape of prompt. Holds all weights on every rank, in fp32, where the backend computes: each token reads all
/// of them.
class GreedyDecoder {
 public:
  /// Collective over the mesh of `parameters`, whose tp axis must have one rank and which lie where the backend computes.
  /// @throws Error(bad_input) for a mesh with tp, a prompt without tokens, or a backend that is not built;
  /// Error(out_of_memory).
  GreedyDecoder(ShardedParameters& parameters, const GreedyDecoderOptions& options);
  GreedyDecoder(const GreedyDecoder&) = delete;
  GreedyDecoder& operator=(const GreedyDecoder&) = delete;
  ~GreedyDecoder();

  /// Forgets what went before and reads prompts. Collective over sp.
  /// @param prompt (B, S), the same on every rank     @return (B), the likeliest token after each
  std::vector<Token> read(std::span<const Token> prompt);
  /// Adds a token to each sequence. Collective over sp.
  /// @param tokens (B)     @return (B), the likeliest token after them
  std::vector<Token> add(std::span<const Token> tokens);
  /// Reads prompts and follows its own tokens.
  /// @return (B, count), of which the first is the one after the prompt; count <= new_tokens + 1
  std::vector<Token> generate(std::span<const Token> prompt, std::int64_t count);

  /// (B, V) of the last `read` or `add`, in host memory until the next of them. Blocks.
  [[nodiscard]] TensorView<const float, 2> logits();
  /// Of this rank's keys and values.
  [[nodiscard]] std::int64_t cache_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringworld
