#pragma once
/// @file  Exact attention over a sequence whose tokens are spread over ranks: what a layer calls, whatever the
/// schedule.
/// Shapes: B batch, T tokens of this rank (Partition::tokens), H / Hkv query / key heads, D head size; row major.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "comm/ring.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/attention/attention_problem.hpp"
#include "sequence/partition.hpp"
#include "sequence/pass_options.hpp"
#include "sequence/schedule.hpp"
#include "sequence/traffic.hpp"

namespace ringworld {

/// Makes a block kernel, as make_block_attention does.
using KernelFactory = std::function<std::unique_ptr<BlockAttention>(Backend, const BlockAttentionOptions&)>;

struct BlockPair;
struct BlockTask;

/// Is called before each call of a kernel, with the task and with the place of the block in the task's two pieces.
using BlockObserver = std::function<void(const BlockTask&, const BlockPair&)>;

struct SequenceAttentionOptions {
  AttentionProblem problem;
  Schedule schedule;
  Layout layout = Layout::zigzag;
  bool is_causal = true;
  Backend backend = Backend::host;
  int threads = 1;                                       ///< of a rank
  AttentionPass pass = AttentionPass::forward_backward;  ///< which passes will be called: sizes the memory
  std::optional<BackwardRotation> backward_rotation;     ///< empty: what moves fewer bytes
  bool is_polling = true;                                ///< whether kernels drive communication between tiles
  std::int64_t message_limit = default_message_limit;
  std::int64_t chunk_bytes = default_chunk_bytes;  ///< of staged device memory
  KernelFactory make_kernel = {};          ///< empty: make_block_attention; tests wrap a kernel in one that errs
  BlockObserver on_block = {};             ///< may be empty; tests choose with it the blocks with which a kernel errs
  std::function<void()> on_progress = {};  ///< may be empty; called where kernels drive communication, if they do
};

/// One rank's part of the forward pass.
struct SequenceForward {
  ConstActivationView q;                           ///< (B, T, H, D), unscaled
  ConstActivationView k;                           ///< (B, T, Hkv, D)
  ConstActivationView v;                           ///< (B, T, Hkv, D)
  TensorView<const std::int32_t, 2> document_ids;  ///< (B, T) document ids; null unless the problem has documents
  ActivationView out;                              ///< (B, T, H, D), overwritten
  TensorView<float, 3> maximum;                    ///< (B, H, T), of the scaled scores, overwritten; see log_sum_exp
  TensorView<float, 3> sum;                        ///< (B, H, T), of exp(score - maximum), overwritten
};

/// One rank's part of the backward pass.
struct SequenceBackward {
  ConstActivationView q;                           ///< (B, T, H, D)
  ConstActivationView k;                           ///< (B, T, Hkv, D)
  ConstActivationView v;                           ///< (B, T, Hkv, D)
  TensorView<const std::int32_t, 2> document_ids;  ///< (B, T); null unless the problem has documents
  ConstActivationView out;                         ///< (B, T, H, D), of the forward pass; null: delta is there already
  TensorView<const float, 3> maximum;              ///< (B, H, T), of the forward pass
  TensorView<const float, 3> sum;                  ///< (B, H, T), of the forward pass
  ConstActivationView dout;                        ///< (B, T, H, D)
  TensorView<float, 3> delta;                      ///< (B, H, T), of out and dout; overwritten unless out is null
  TensorView<float, 4> dq;                         ///< (B, T, H, D), dense, overwritten
  TensorView<float, 4> dk;                         ///< (B, T, Hkv, D), dense, overwritten
  TensorView<float, 4> dv;                         ///< (B, T, Hkv, D), dense, overwritten
};

/// Attention of one problem between one group of ranks: holds the kernels and all memory that a pass needs, so that
/// passes allocate nothing. The scores are scaled by 1 / sqrt(D).
///
/// The tensors of a pass are memory of device_of(backend). On the host a pass has ended when its call returns; on a GPU
/// it is enqueued on the compute stream, and the call blocks only as long as the transport has to be driven.
class SequenceAttention {
 public:
  virtual ~SequenceAttention() = default;
  SequenceAttention(const SequenceAttention&) = delete;
  SequenceAttention& operator=(const SequenceAttention&) = delete;

  /// Collective over the ranks.
  void forward(const SequenceForward& pass, const PassOptions& options = {});
  /// Collective over the ranks.
  /// @throws Error(internal) when the backward pass was not planned, or a gradient is not dense.
  void backward(const SequenceBackward& pass, const PassOptions& options = {});

  /// Makes passes stop computing, but not communicating, at this moment of `now_seconds()`: the results are then
  /// unspecified, and no rank hangs. Work already enqueued on a GPU still runs: at most two steps.
  virtual void set_deadline(double deadline) = 0;
  /// Whether the last pass did.
  [[nodiscard]] virtual bool has_missed_deadline() const = 0;

  [[nodiscard]] const SequenceAttentionOptions& options() const { return options_; }
  [[nodiscard]] const Partition& partition() const { return partition_; }
  [[nodiscard]] BackwardRotation backward_rotation() const { return rotation_; }
  /// Messages and bytes that this rank sent in the last pass.
  [[nodiscard]] virtual SequenceTraffic traffic() const = 0;
  [[nodiscard]] virtual std::int64_t workspace_bytes() const = 0;
  /// What blocks are computed with, between passes.
  [[nodiscard]] virtual BlockAttention& kernel() = 0;

 protected:
  SequenceAttention(const Communicator& ranks, const SequenceAttentionOptions& options);

 private:
  virtual void run_forward(const SequenceForward& pass, const PassOptions& options) = 0;
  virtual void run_backward(const SequenceBackward& pass, const PassOptions& options) = 0;

  SequenceAttentionOptions options_;
  Partition partition_;
  BackwardRotation rotation_;
};

/// Collective over `ranks`.
/// @throws Error(bad_input) when heads are not divisible by kv_heads, or the head size or backend is not built;
///         Error(out_of_memory). Both may happen on some ranks only: see `on_every_rank`.
[[nodiscard]] std::unique_ptr<SequenceAttention> make_sequence_attention(const Communicator& ranks,
                                                                         const SequenceAttentionOptions& options);

}  // namespace ringworld
