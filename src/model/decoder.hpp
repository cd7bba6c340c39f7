#pragma once
/// @file  Decoding: the model reads prompts by ring attention, then decodes one token at a time. The key/value cache
/// stays distributed as the prompt's pass left it.
/// Shapes: B sequences, S tokens of each prompt, C hidden_size, V tokens of the vocabulary.
///
///   prompt   | rank 0 | rank 1 | rank 2 |     ring attention; each rank keeps the keys and values of its own tokens
///   new          0        1        2          token n goes to rank n mod P; its query is answered by all caches
///
/// Prompts of different lengths stand side by side with padding at the left, so that all of them end at the same place:
///
///   row 0   a b c d e | x y      Padding is hidden as a document of its own that nobody belongs to, in the prompt's pass
///   row 1   . . f g h | x y      and from every new token. Positions count from the left edge and are not shifted: RoPE
///                                turns scores by the distance of two tokens, whatever their positions.

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "kernels/rope/rope_scaling.hpp"
#include "model/parameters.hpp"
#include "sequence/partition.hpp"
#include "sequence/schedule.hpp"

namespace ringworld {

struct DecoderOptions {
  std::int64_t batch = 1;          ///< B
  std::int64_t prompt_length = 0;  ///< S; a rank may hold no token of the prompt
  std::int64_t new_tokens = 1;     ///< largest number of tokens that are added
  bool has_padding = false;        ///< whether prompts may be shorter than S; document ids then travel with keys
  Schedule schedule{};             ///< schedule of the attention among the prompt's tokens
  Layout layout = Layout::zigzag;
  DType dtype = DType::float32;  ///< type of activations, weights in products, and the cache
  double rope_theta = 10000.0;
  /// Takes the place of the model's own scaling.
  // NOLINTNEXTLINE(readability-redundant-member-init): lets designated initialisers leave it out without a warning.
  std::optional<RopeScaling> rope_scaling{};
  Backend backend = Backend::host;
  int threads = 1;
  /// Whether every rank holds all weights of its tp part: each token reads all of them. Else they are gathered unit by
  /// unit for every token, for models whose weights fit the ranks only in shards.
  bool holds_weights = true;
};

/// Serves one shape of prompt. Where weights are not held, every call below is collective over all ranks that share the
/// parameters (fsdp, sp, tp); where they are, over sp and tp.
class Decoder {
 public:
  /// Collective over the mesh of `parameters`, which must outlive this and lie where the backend computes.
  /// @throws Error(bad_input) for a prompt without tokens, a backend that is not built, or prompts and new tokens that
  /// are longer than the model's sliding window; Error(out_of_memory).
  Decoder(ShardedParameters& parameters, const DecoderOptions& options);
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder();

  /// Clears the cache and reads prompts. Collective.
  /// @param prompt (B, S), the same on every rank
  /// @param padding (B), how many tokens at the left of each row are padding: any of the vocabulary, seen by nobody.
  /// Empty: none
  /// @throws Error when a row is all padding, or has some and the decoder was not made for it.
  void read(std::span<const std::int32_t> prompt, std::span<const std::int64_t> padding = {});
  /// Adds a token to each sequence. Collective.
  /// @param tokens (B), the same on every rank
  void add(std::span<const std::int32_t> tokens);

  /// (B), the likeliest token of one part of the vocabulary after what was read and added, the first of equals; the
  /// same on every rank. Collective. Blocks.
  [[nodiscard]] std::vector<std::int32_t> likeliest(std::size_t part = 0);
  /// Replaces tokens that each rank chose from its logits by those of the first rank: on unlike processors ranks may
  /// round differently, and one of them has to decide. Collective. Blocks.
  void agree(std::span<std::int32_t> tokens) const;
  /// Logits (B, V) of the next token, in host memory, valid until the next `read` or `add`. Collective. Blocks.
  [[nodiscard]] TensorView<const float, 2> logits();

  /// Bytes of this rank's keys and values.
  [[nodiscard]] std::int64_t cache_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringworld
