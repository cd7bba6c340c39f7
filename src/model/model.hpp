#pragma once
/// @file  The language model: forward and backward by hand, on one rank's share of batch, sequence, heads and ffn.
/// Source: Touvron et al., "LLaMA", arXiv:2302.13971; blockwise feed-forward and loss after Liu, Abbeel, "Blockwise
/// Parallel Transformer", arXiv:2305.19370; tensor parallelism after Shoeybi et al., "Megatron-LM", arXiv:1909.08053.
/// Shapes: B sequences of this rank, T tokens of this rank (Partition::tokens, which
/// need not be as many as other ranks', and may be none), C hidden_size, V tokens of the vocabulary.
///
///   tokens -> embedding -> [ norm -> q,k,v -> RoPE -> ring attention -> o ->(+)-> norm -> gate,up -> SwiGLU -> down ->(+) ] x L
///          -> norm -> head -> cross-entropy
///
///   dp, fsdp  other sequences          sp  other tokens of the same sequences (ring attention)
///   tp        some heads, columns of ffn and of the vocabulary: sums after o, down, embedding; backward before norms

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/tensor_view.hpp"
#include "device/backend.hpp"
#include "kernels/rope/rope_scaling.hpp"
#include "model/parameters.hpp"
#include "sequence/partition.hpp"
#include "sequence/schedule.hpp"

namespace ringworld {

/// Which activations the backward pass recomputes instead of keeping. The feed-forward block's inner activations are
/// computed again chunk by chunk, by all policies but ffn_saved.
enum class Recomputation : std::uint8_t {
  none,             ///< keeps everything of size (T, C)
  attention_saved,  ///< keeps each layer's input and the result of its attention
  full,             ///< keeps each layer's input
  ffn_saved,        ///< keeps the feed-forward block's gate and up as well, (T, 2 F): an eighth less work in products
};

inline constexpr std::array<std::string_view, 4> recomputation_names{"none", "attention_saved", "full", "ffn_saved"};

/// Whether the backward pass computes the layers' activations of size (T, C) again.
[[nodiscard]] constexpr bool recomputes_layers(Recomputation recomputation) noexcept {
  return recomputation == Recomputation::attention_saved || recomputation == Recomputation::full;
}

[[nodiscard]] constexpr std::string_view name_of(Recomputation recomputation) noexcept {
  return recomputation_names[static_cast<std::size_t>(recomputation)];
}

/// @throws Error(bad_input) naming the nearest one.
[[nodiscard]] Recomputation parse_recomputation(std::string_view name);

struct ModelOptions {
  std::int64_t batch = 1;           ///< B: sequences of this rank, not of all ranks
  std::int64_t context_length = 0;  ///< S: tokens of a sequence, over all ranks of sp
  Schedule schedule{};              ///< schedule of attention over the ranks of sp
  Layout layout = Layout::zigzag;
  DType dtype = DType::float32;       ///< activations and weights in products; sums, master weights, gradients are fp32
  DType wire_dtype = DType::float32;  ///< type of the data that attention sends to other ranks
  Backend backend = Backend::host;
  std::int64_t threads = 1;
  Recomputation recomputation = Recomputation::none;
  bool has_documents = false;    ///< whether batches carry document ids
  bool is_forward_only = false;  ///< plans no memory for a backward pass
  /// Takes the place of the model's own scaling.
  // NOLINTNEXTLINE(readability-redundant-member-init): lets designated initialisers leave it out without a warning.
  std::optional<RopeScaling> rope_scaling{};
  std::int64_t ffn_chunk = 1024;   ///< tokens of which the feed-forward block holds (tokens, F) at a time
  std::int64_t loss_chunk = 1024;  ///< tokens whose logits, (tokens, V), exist at a time
  /// Queries from this position on are longer, by log(position + 1) / log(log_length), for they choose among more keys
  /// (Chiang and Cholak, arXiv:2202.12172); 0: none is.
  std::int64_t log_length = 0;
};

/// @throws Error(bad_input) when an option is invalid.
void check_model_options(const ModelOptions& options);

/// This rank's tokens, in the order of `Model::positions`; host memory, whatever the backend.
struct ModelBatch {
  TensorView<const std::int32_t, 2> tokens;  ///< (B, T)
  /// (B, T), what comes next, predicted among the tokens of its part of the vocabulary; negative: ignored, no logits
  TensorView<const std::int32_t, 2> targets;
  TensorView<const float, 2> weights;  ///< (B, T), weight of each nll in the loss; the sum is not normalised
  TensorView<const std::int32_t, 2>
      document_ids;  ///< (B, T) document ids, negative = padding; null unless has_documents
};

/// Results per token; host memory. A null view is not filled in.
struct TokenScores {
  TensorView<float, 2> nll;  ///< (B, T), -log p(target), not weighted; 0 where ignored
  TensorView<std::int32_t, 2>
      likeliest;  ///< (B, T), token of the target's part with the largest logit, the first of equals; -1 where ignored
};

/// A place whose logits are requested: they predict the token after `position` in the sequence.
struct LogitPlace {
  std::int64_t row = 0;       ///< of this rank's batch
  std::int64_t position = 0;  ///< global, 0 <= position < S
};

/// A model for one shape of batch on one mesh; holds all memory that a pass needs. Several models may share parameters,
/// one at a time: the stages of a schedule, training and evaluation.
class Model {
 public:
  /// Collective over the mesh of `parameters`, which must outlive the model and lie where the backend computes.
  /// @throws Error(bad_input) when an option is invalid or the context is longer than the model's sliding window;
  /// Error(out_of_memory).
  Model(ShardedParameters& parameters, const ModelOptions& options);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
  ~Model();

  [[nodiscard]] const ModelOptions& options() const;
  [[nodiscard]] const Partition& partition() const;
  /// Global position of each of this rank's T tokens.
  [[nodiscard]] const std::vector<std::int64_t>& positions() const;

  /// Takes effect at the next pass.
  void set_rope_theta(double theta);

  /// The loss: sum of weight * nll over all ranks. Collective over the mesh. Blocks until the loss is known: on a
  /// device, a pass has one such moment, behind the head and not behind the backward pass.
  double forward(const ModelBatch& batch, const TokenScores& scores = {});

  /// The same, and adds the loss's gradient to the gradient shards; ShardedParameters::finish_gradients completes it
  /// after the last pass of a step. Collective over the mesh. Blocks.
  double forward_backward(const ModelBatch& batch, const TokenScores& scores = {});

  /// Runs all layers and keeps the last hidden states for `logits`. Collective over the mesh. Does not block on a
  /// device.
  /// @param document_ids (B, T), null unless has_documents
  void prefill(const TensorView<const std::int32_t, 2>& tokens,
               const TensorView<const std::int32_t, 2>& document_ids = {});

  /// Logits after the last `prefill`, `forward` or `forward_backward`. Collective over tp and sp, whose ranks give the
  /// same places and all get the result.
  /// @param logits (places, V), host memory, overwritten; those of each part are by its own head. Blocks.
  void logits(std::span<const LogitPlace> places, const TensorView<float, 2>& logits);

  /// Bytes of activations and scratch memory that the model holds where its kernels compute.
  [[nodiscard]] std::int64_t bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringworld
