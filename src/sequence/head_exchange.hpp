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
/// The backward pass sends q, k and v once more: to keep them in this order would take their memory in every layer. It
/// sends delta, not out: delta is computed where out lies.
/// Source: Jacobs et al., "DeepSpeed Ulysses", arXiv:2309.14509; with rings inside, Fang, Zhao, "USP: A Unified Sequence
/// Parallelism Approach for Long Context Generative AI", arXiv:2405.07719.

#include <array>
#include <memory>
#include <vector>

#include "comm/collectives.hpp"
#include "device/buffer.hpp"
#include "kernels/tensor/tensor.hpp"
#include "sequence/exchange_block.hpp"
#include "sequence/sequence_attention.hpp"

namespace ringworld {

class HeadExchange final : public SequenceAttention {
 public:
  /// As make_sequence_attention, which also makes the attention inside, with the same options but for the heads.
  /// @pre U is larger than 1, and check_schedule takes it
  HeadExchange(const Communicator& ranks, const SequenceAttentionOptions& options);

  void set_deadline(double deadline) override { inner_->set_deadline(deadline); }
  [[nodiscard]] bool has_missed_deadline() const override { return inner_->has_missed_deadline(); }
  [[nodiscard]] SequenceTraffic traffic() const override;
  [[nodiscard]] std::int64_t workspace_bytes() const override { return inner_->workspace_bytes(); }
  [[nodiscard]] BlockAttention& kernel() override { return inner_->kernel(); }

 private:
  /// The messages of one exchange, from one half of the arena to the other.
  struct Messages {
    RankBlocks sent;
    RankBlocks received;
  };

  void run_forward(const SequenceForward& pass, const PassOptions& options) override;
  void run_backward(const SequenceBackward& pass, const PassOptions& options) override;

  [[nodiscard]] Messages messages_of(ExchangeCargo cargo) const;
  /// Sends what was packed, unless messages are left out.
  void exchange(ExchangeCargo cargo, PassMode mode);
  /// Where operands are packed, and results are found: without messages, in the place of what would have come.
  [[nodiscard]] std::byte* packed_operands(PassMode mode) const;
  [[nodiscard]] std::byte* returned_results(PassMode mode) const;

  /// The message to or from a neighbour, in a half of the arena.
  [[nodiscard]] ExchangeBlock message(ExchangeCargo cargo, int member, std::int64_t tokens, std::byte* half) const;
  /// All tokens of the neighbours, of this rank's heads.
  [[nodiscard]] ExchangeBlock all_tokens(ExchangeCargo cargo, std::byte* half) const;

  /// Operands of the caller to each neighbour's heads; what arrived, neighbour after neighbour, for the attention inside.
  void pack_operands(ExchangeCargo cargo, const ConstExchangeBlock& own, PassMode mode);
  [[nodiscard]] ExchangeBlock unpack_operands(ExchangeCargo cargo, PassMode mode);
  /// Results of the attention inside to each neighbour's tokens; what arrived, heads after heads, to the caller.
  void pack_results(ExchangeCargo cargo, PassMode mode);
  void unpack_results(ExchangeCargo cargo, const ExchangeBlock& own, PassMode mode);
  /// Adds the gradients of key heads that neighbours share to those in the first of their messages.
  void add_shared_gradients(std::byte* half);

  Communicator neighbours_;
  std::vector<int> nodes_;  // of each neighbour
  std::unique_ptr<SequenceAttention> inner_;
  std::int64_t ulysses_;
  std::vector<std::int64_t> tokens_;  // of each neighbour
  std::vector<std::int64_t> begin_;   // of each neighbour's tokens among those of all
  std::int64_t tokens_max_;           // of the rank that holds most
  Device& device_;
  std::unique_ptr<TensorOps> tensors_;
  Buffer arena_;
  std::byte* front_;                  // halves of the arena: what is sent, and what is computed with
  std::byte* back_;                   // what is received, and what is computed
  std::array<Messages, 4> messages_;  // by cargo
  SequenceTraffic traffic_;           // of the exchanges of the last pass
};

}  // namespace ringworld
