#pragma once
/// @file  Softmax cross-entropy of next-token logits, whole or with the vocabulary sharded over tensor-parallel ranks.
/// Shapes: T tokens, V columns: the vocabulary, or one rank's shard of it; fp32, last extent dense.
///
///   nll = log(sum_v e^(logit_v - maximum)) + maximum - logit_target       d logit_v = weight (softmax_v - [v = target])
///
/// A negative target is ignored: nll 0, gradient 0, its logits are not read. Exponentials are of logits less their
/// row's maximum, so no finite logit overflows.
///
/// Sharded, with a reduction over the ranks after each of the first two steps:
///
///   shard_maximum      -> maximum             reduce: max
///   shard_exponentials -> sum, target_logit   reduce: sum            (then negative_log_likelihoods)
///   shard_gradient     -> dlogits

#include <cstdint>
#include <memory>
#include <span>

#include "core/tensor_view.hpp"
#include "device/backend.hpp"
#include "kernels/contract/kernel.hpp"
#include "kernels/contract/kernel_options.hpp"

namespace ringworld {

struct CrossEntropyForward {
  TensorView<const float, 2> logits;      ///< (T, V)
  std::span<const std::int32_t> targets;  ///< (T), below V; negative: ignored
  std::span<float> nll;                   ///< (T), overwritten, not weighted
};

struct CrossEntropyBackward {
  TensorView<float, 2> logits;            ///< (T, V), overwritten by their gradients
  std::span<const std::int32_t> targets;  ///< (T), below V; negative: ignored
  std::span<const float> weights;         ///< (T), d loss / d nll of each token: 1 / number of tokens for a mean
  std::span<float> nll;                   ///< (T), overwritten, not weighted
};

/// One rank's columns of the logits: those of vocab_begin <= id < vocab_begin + V.
struct CrossEntropyShard {
  TensorView<float, 2> logits;            ///< (T, V)
  std::span<const std::int32_t> targets;  ///< (T), ids of the whole vocabulary; negative: ignored
  std::int64_t vocab_begin = 0;
};

class CrossEntropy : public Kernel {
 public:
  /// @throws Error(bad_input) naming the first target that is not below V (where the operands are memory of a device,
  /// the nll of that token is NaN instead); Error when a shape contradicts another.
  /// Cost: one pass over the logits.
  void forward(const CrossEntropyForward& pass);

  /// Forward and gradient in place. @throws as `forward`.
  /// Cost: one pass over the logits, read and written, as long as a row fits the cache.
  void backward(const CrossEntropyBackward& pass);

  /// @param maximum (T), the largest logit of each row of this shard, overwritten
  void shard_maximum(const CrossEntropyShard& shard, std::span<float> maximum);

  /// Overwrites the logits by their exponentials less the maximum.
  /// @param maximum (T), over all shards     @param sum (T), of the exponentials of this shard, overwritten
  /// @param target_logit (T), 0 where another shard has the target, overwritten
  void shard_exponentials(const CrossEntropyShard& shard, std::span<const float> maximum, std::span<float> sum,
                          std::span<float> target_logit);

  /// Overwrites the exponentials that `shard_exponentials` left by the gradients of the logits.
  /// @param sum (T), over all shards     @param weights (T), as in CrossEntropyBackward
  void shard_gradient(const CrossEntropyShard& shard, std::span<const float> sum, std::span<const float> weights);

 private:
  /// Whether host code can read the operands, and so check the targets before a kernel uses them.
  [[nodiscard]] virtual bool can_host_read_operands() const { return true; }

  // The computation of a backend; operands are checked and the cost is charged before these calls.
  virtual void run_forward(const CrossEntropyForward& pass) = 0;
  virtual void run_backward(const CrossEntropyBackward& pass) = 0;
  virtual void run_shard_maximum(const CrossEntropyShard& shard, std::span<float> maximum) = 0;
  virtual void run_shard_exponentials(const CrossEntropyShard& shard, std::span<const float> maximum,
                                      std::span<float> sum, std::span<float> target_logit) = 0;
  virtual void run_shard_gradient(const CrossEntropyShard& shard, std::span<const float> sum,
                                  std::span<const float> weights) = 0;
};

/// nll of each token from what the shards were reduced to; all are (T) in host memory, nll is overwritten.
void negative_log_likelihoods(std::span<const std::int32_t> targets, std::span<const float> maximum,
                              std::span<const float> sum, std::span<const float> target_logit, std::span<float> nll);

/// @throws Error(bad_input) when the backend was not built.
[[nodiscard]] std::unique_ptr<CrossEntropy> make_cross_entropy(Backend backend, const KernelOptions& options = {});

}  // namespace ringworld
