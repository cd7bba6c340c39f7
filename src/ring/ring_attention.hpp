#pragma once
/// @file  Exact attention over a sequence whose tokens are spread over a ring of ranks.
/// Source: Liu, Zaharia, Abbeel, "Ring Attention with Blockwise Transformers for Near-Infinite Context",
/// arXiv:2310.01889, algorithm 1. Deviations: P - 1 hops instead of P; layouts other than contiguous; the backward pass
/// may rotate queries instead of keys.
/// Shapes: B batch, T tokens of this rank (Partition::tokens), H / Hkv query / key heads, D head size; row major.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "comm/ring.hpp"
#include "device/buffer.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/tensor/tensor.hpp"
#include "perf/attention_model.hpp"
#include "ring/last_blocks.hpp"
#include "ring/partition.hpp"
#include "ring/rotation.hpp"
#include "ring/schedule.hpp"

namespace ringworld {

/// Makes a block kernel, as make_block_attention does.
using KernelFactory = std::function<std::unique_ptr<BlockAttention>(Backend, const BlockAttentionOptions&)>;

struct RingAttentionOptions {
  AttentionProblem problem;
  Layout layout = Layout::zigzag;
  bool is_causal = true;
  Backend backend = Backend::host;
  int threads = 1;                                       ///< of a rank
  AttentionPass pass = AttentionPass::forward_backward;  ///< which passes will be called: sizes the memory
  std::optional<BackwardRotation> backward_rotation;     ///< empty: what moves fewer bytes
  bool is_polling = true;                                ///< whether kernels drive communication between tiles
  std::int64_t message_limit = default_message_limit;
  std::int64_t chunk_bytes = default_chunk_bytes;  ///< of staged device memory
  KernelFactory make_kernel = {};  ///< empty: make_block_attention; tests wrap a kernel in one that errs
};

/// One rank's part of the forward pass.
struct RingForward {
  ConstActivationView q;                       ///< (B, T, H, D), unscaled
  ConstActivationView k;                       ///< (B, T, Hkv, D)
  ConstActivationView v;                       ///< (B, T, Hkv, D)
  TensorView<const std::int32_t, 2> segments;  ///< (B, T) document ids; null unless the problem has segments
  ActivationView out;                          ///< (B, T, H, D), overwritten
  TensorView<float, 3> maximum;                ///< (B, H, T), of the scaled scores, overwritten; see log_sum_exp
  TensorView<float, 3> sum;                    ///< (B, H, T), of exp(score - maximum), overwritten
};

/// One rank's part of the backward pass.
struct RingBackward {
  ConstActivationView q;                       ///< (B, T, H, D)
  ConstActivationView k;                       ///< (B, T, Hkv, D)
  ConstActivationView v;                       ///< (B, T, Hkv, D)
  TensorView<const std::int32_t, 2> segments;  ///< (B, T); null unless the problem has segments
  ConstActivationView out;                     ///< (B, T, H, D), of the forward pass
  TensorView<const float, 3> maximum;          ///< (B, H, T), of the forward pass
  TensorView<const float, 3> sum;              ///< (B, H, T), of the forward pass
  ConstActivationView dout;                    ///< (B, T, H, D)
  TensorView<float, 3> delta;                  ///< (B, H, T), overwritten
  TensorView<float, 4> dq;                     ///< (B, T, H, D), overwritten
  TensorView<float, 4> dk;                     ///< (B, T, Hkv, D), overwritten
  TensorView<float, 4> dv;                     ///< (B, T, Hkv, D), overwritten
};

/// What one rank sent in the last pass.
struct RingTraffic {
  Traffic operands;
  Traffic gradients;

  [[nodiscard]] std::int64_t bytes() const { return operands.bytes + gradients.bytes; }
};

/// A plan for one problem on one ring: holds the kernels and all memory that a pass needs, so that passes allocate
/// nothing. The scores are scaled by 1 / sqrt(D).
///
/// The tensors of a pass are memory of device_of(backend). On the host a pass has ended when its call returns; on a GPU it
/// is enqueued on the compute stream, and the call blocks only as long as the transport has to be driven.
class RingAttention {
 public:
  /// Collective over `ring`.
  /// @throws Error(bad_input) when heads are not divisible by kv_heads, or the head size or backend is not built;
  ///         Error(out_of_memory). Both may happen on some ranks only: see `on_every_rank`.
  RingAttention(const Ring& ring, const RingAttentionOptions& options);

  /// Collective over the ring.
  void forward(const RingForward& pass, const RotationOptions& rotation = {});
  /// Collective over the ring.
  void backward(const RingBackward& pass, const RotationOptions& rotation = {});

  /// Makes passes stop computing, but not communicating, at this moment of `now_seconds()`: the results are then
  /// worthless, and no rank hangs. What a GPU has been given cannot be taken back: that is at most two steps.
  void set_deadline(double deadline) { deadline_ = deadline; }
  [[nodiscard]] bool has_missed_deadline() const { return has_missed_deadline_; }

  [[nodiscard]] const Partition& partition() const { return partition_; }
  [[nodiscard]] BackwardRotation backward_rotation() const { return rotation_; }
  [[nodiscard]] RingTraffic traffic() const;
  [[nodiscard]] std::int64_t workspace_bytes() const { return kernel_->workspace_bytes(); }

 private:
  /// Runs `function(pair)` for what the queries of `query_rank` see of the keys of `key_rank`.
  void for_each_visible_pair(int query_rank, int key_rank, const std::function<bool(const BlockPair&)>& function);
  void backward_rotating_keys(const RingBackward& pass, const RotationOptions& rotation);
  void backward_rotating_queries(const RingBackward& pass, const RotationOptions& rotation);
  void reset_traffic();
  void drive_communication();
  /// Runs `enqueue_step`, on a GPU with a deadline not before the step before the last has ended.
  void keep_pace(const std::function<void()>& enqueue_step);
  [[nodiscard]] OperandBuffers operand_buffers(std::int64_t block_bytes, std::byte* memory) const;
  /// The statistics in the caller's tensors, the outputs in the arena.
  [[nodiscard]] AttentionState state_of(const RingForward& pass) const;

  Ring ring_;
  RingAttentionOptions options_;
  Partition partition_;
  LastBlocks last_blocks_;  // of this rank's queries; the steps are those of the ring
  BackwardRotation rotation_;
  std::int64_t tokens_;      // of this rank
  std::int64_t tokens_max_;  // of the rank that holds most
  Device& device_;
  std::unique_ptr<BlockAttention> kernel_;
  std::unique_ptr<TensorOps> tensors_;
  std::array<std::unique_ptr<Event>, 2> step_ends_;  // of the last two steps
  Buffer arena_;         // forward: outputs and two operand blocks; backward: two operand and three gradient blocks
  Shift operand_shift_;  // below the arena: a transfer must not outlive its memory

  Shift gradient_shift_;
  Progress progress_;
  bool is_polling_ = false;
  double deadline_;
  bool has_missed_deadline_ = false;
};

}  // namespace ringworld
