#pragma once
/// @file  Attention whose heads are exchanged for tokens: U neighbours trade, and each computes some of the heads with
/// the tokens of all, by any schedule over the P/U rings that are left.
///
///          tokens of neighbour u, all heads          tokens of all U, heads of u                     back
///    u=0   [ t0 | h0 h1 h2 h3 ]     exchange     [ t0 t1 | h0 h1 ]   attention over R = P/U     exchange
///    u=1   [ t1 | h0 h1 h2 h3 ]   =========>     [ t0 t1 | h2 h3 ]   ranks, one ring for     ==========>  ...
///                                                                    each u
///
///   forward    q, k, v, ids in one message a neighbour; out, maximum and sum in one message back
///   backward   q, dO, k, v, maximum, sum, delta, ids; dq, dk, dv in fp32 back
///
/// Rank p = r U + u holds the u-th piece of what the layout gives to rank r of R (Partition), so that the pieces in the
/// order of u are the tokens of that rank, and the schedule inside needs no mask of its own. With fewer than U key heads
/// a head goes to several neighbours, and their gradients for it are added up on their return, in the order of ranks.
///
/// In n groups of heads, a group travels while the one before it is computed, so that 1/n of what is sent is hidden by
/// nothing; a group is what every neighbour has an n-th of:
///
///   compute            | group 0           | group 1           | group 2           |
///   exchange      -> 0 | -> 1              | -> 2   0 ->       | 1 ->              | 2 ->
///
/// The backward pass sends q, k and v once more: to keep them in this order would take their memory in every layer. It
/// sends delta, not out: delta is computed where out lies.
/// Source: Jacobs et al., "DeepSpeed Ulysses", arXiv:2309.14509; with rings inside, Fang, Zhao, "USP: A Unified Sequence
/// Parallelism Approach for Long Context Generative AI", arXiv:2405.07719; groups of heads, "UPipe", arXiv:2602.21196.

#include <functional>
#include <memory>
#include <vector>

#include "device/buffer.hpp"
#include "kernels/tensor/tensor.hpp"
#include "sequence/head_group_exchange.hpp"
#include "sequence/sequence_attention.hpp"

namespace ringworld {

class HeadExchange final : public SequenceAttention {
 public:
  /// As make_sequence_attention, which also makes the attention inside, with the same options but for the heads.
  /// @pre U is larger than 1, and check_schedule takes it
  HeadExchange(const Communicator& ranks, const SequenceAttentionOptions& options);

  void set_deadline(double deadline) override { inner_->set_deadline(deadline); }
  [[nodiscard]] bool has_missed_deadline() const override { return has_missed_deadline_; }
  [[nodiscard]] SequenceTraffic traffic() const override { return traffic_; }
  [[nodiscard]] std::int64_t workspace_bytes() const override { return inner_->workspace_bytes(); }
  [[nodiscard]] BlockAttention& kernel() override { return inner_->kernel(); }

 private:
  /// The two exchanges of a pass, the caller's tensors in them, and what is computed between them with a group of heads.
  struct Passage {
    ExchangeCargo out;
    ConstExchangeBlock operands;
    ExchangeCargo back;
    ExchangeBlock results;
    std::function<void(const ExchangeBlock& operands, const ExchangeBlock& results, const PassOptions& options)>
        compute;
  };

  void run_forward(const SequenceForward& pass, const PassOptions& options) override;
  void run_backward(const SequenceBackward& pass, const PassOptions& options) override;
  void run(const Passage& passage, const PassOptions& options);
  [[nodiscard]] HeadGroupExchange& memory_of(std::int64_t group) {
    return in_memory_[static_cast<std::size_t>(group) % in_memory_.size()];
  }

  std::unique_ptr<SequenceAttention> inner_;  // of one group of heads
  Device& device_;
  std::unique_ptr<TensorOps> tensors_;
  ExchangeGround ground_;
  Buffer arena_;
  std::vector<HeadGroupExchange> in_memory_;  // below the arena: a transfer must not outlive its memory
  SequenceTraffic traffic_;                   // of the last pass
  bool has_missed_deadline_ = false;          // in it
};

}  // namespace ringworld
