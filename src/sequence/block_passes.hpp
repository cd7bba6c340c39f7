#pragma once
/// @file  The computation that all schedules share: queries of one rank against a block of keys of one rank, by the
/// visible pairs of their runs. Stops at a deadline.

#include <array>
#include <functional>
#include <memory>
#include <vector>

#include "device/device.hpp"
#include "kernels/tensor/tensor.hpp"
#include "sequence/piece.hpp"
#include "sequence/plan.hpp"
#include "sequence/sequence_attention.hpp"
#include "sequence/visibility.hpp"

namespace ringworld {

/// Keys and values of one rank.
struct KeyOperands {
  ConstActivationView k;                           ///< (B, Tk, Hkv, D)
  ConstActivationView v;                           ///< (B, Tk, Hkv, D)
  TensorView<const std::int32_t, 2> document_ids;  ///< (B, Tk), null without documents
};

/// Queries of one rank for the forward pass.
struct ForwardQueries {
  ConstActivationView q;                           ///< (B, Tq, H, D)
  TensorView<const std::int32_t, 2> document_ids;  ///< (B, Tq), null without documents
  ActivationView out;                              ///< (B, Tq, H, D), of the blocks that are the last ones
};

/// Queries of one rank, and what their backward pass reads.
struct QueryOperands {
  ConstActivationView q;                           ///< (B, Tq, H, D)
  ConstActivationView dout;                        ///< (B, Tq, H, D)
  TensorView<const float, 3> maximum;              ///< (B, H, Tq)
  TensorView<const float, 3> sum;                  ///< (B, H, Tq)
  TensorView<const float, 3> delta;                ///< (B, H, Tq)
  TensorView<const std::int32_t, 2> document_ids;  ///< (B, Tq), null without documents
};

/// dk and dv of one block of keys. They start uninitialised and are cleared only where the first pair of runs does not
/// write all of them.
class KeyGradients {
 public:
  KeyGradients(TensorOps& tensors, const TensorView<float, 4>& dk, const TensorView<float, 4>& dv)
      : tensors_(tensors), dk_(dk), dv_(dv) {}
  /// Some heads of gradients that the caller has cleared.
  [[nodiscard]] static KeyGradients cleared(TensorOps& tensors, const TensorView<float, 4>& dk,
                                            const TensorView<float, 4>& dv) {
    KeyGradients gradients(tensors, dk, dv);
    gradients.has_begun_ = true;
    return gradients;
  }

  [[nodiscard]] const TensorView<float, 4>& dk() const { return dk_; }
  [[nodiscard]] const TensorView<float, 4>& dv() const { return dv_; }

  /// @return whether this pair overwrites the gradients of its keys
  bool begin_pair(const BlockPair& pair);
  /// After the last pair, if there was one.
  void end();

 private:
  void clear();

  TensorOps& tensors_;
  TensorView<float, 4> dk_;
  TensorView<float, 4> dv_;
  bool has_begun_ = false;
};

class BlockPasses {
 public:
  /// @param drive  called between tiles of the kernels, to drive communication
  /// @throws Error(bad_input) when the head size or backend is not built
  BlockPasses(const SequenceAttentionOptions& options, const Partition& partition, std::function<void()> drive);

  [[nodiscard]] BlockAttention& kernel() { return *kernel_; }
  [[nodiscard]] const BlockAttention& kernel() const { return *kernel_; }

  /// Folds the keys of a task into the state of its queries.
  /// @param is_last  of each visible pair: whether it writes its part of `queries.out`; empty: none does
  void accumulate(const BlockTask& task, const ForwardQueries& queries, const KeyOperands& keys,
                  const AttentionState& state, const std::vector<bool>& is_last);
  /// Adds the gradients of a task to dq and to `keys`.
  void backward(const BlockTask& task, const QueryOperands& queries, const KeyOperands& of_keys,
                const TensorView<float, 4>& dq, KeyGradients& keys);

  void set_deadline(double deadline) { deadline_ = deadline; }
  [[nodiscard]] bool has_missed_deadline() const { return has_missed_deadline_; }
  void begin_pass() { has_missed_deadline_ = false; }

 private:
  /// Runs `function(pair)` for each visible pair of a task, until it returns false or the deadline has passed.
  void for_each_pair(const BlockTask& task, const std::function<bool(const BlockPair&)>& function);
  /// Runs `enqueue`, on a GPU with a deadline not before the task before the last has ended.
  void keep_pace(const std::function<void()>& enqueue);
  void look_at_clock();

  Partition partition_;
  bool is_causal_;
  Device& device_;
  std::unique_ptr<BlockAttention> kernel_;
  std::array<std::unique_ptr<Event>, 2> task_ends_;  // of the last two
  std::function<void()> drive_;
  BlockObserver on_block_;
  Progress progress_;
  double deadline_;
  bool has_missed_deadline_ = false;
};

}  // namespace ringworld
