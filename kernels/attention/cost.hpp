#pragma once
/// @file  The cost of block attention, per call and per whole pass.
/// Source: Dao, arXiv:2307.08691, section 4.1 (FLOP conventions: the products count, the softmax does not; backward is
/// 2.5 times forward).
/// Shapes and symbols as in attention.hpp; e bytes of an activation.

#include "kernels/attention/attention.hpp"

namespace ringworld {

/// (query, key) pairs of a block, for one sequence and head, that the diagonal leaves visible. Documents are not looked
/// at, because their ids lie in the memory of a device: of a block with documents this is an upper bound.
[[nodiscard]] double visible_pairs(std::int64_t query_tokens, std::int64_t key_tokens, const BlockMask& mask);

/// The same for a whole sequence: S (S + 1) / 2 under a causal mask, else S^2.
[[nodiscard]] double visible_pairs(std::int64_t context_length, bool is_causal);

/// `reset`: no FLOP; maximum and sum are written.
[[nodiscard]] Cost cost_of(const AttentionState& state);

/// `accumulate`: 4 D FLOP a visible pair of each sequence and query head. Bytes: q, k, v and document ids are read,
/// maximum and sum are read and written; the state's output is read and written, or only read where `out` is written.
[[nodiscard]] Cost cost_of(const ForwardBlock& block, const ActivationView& out);

/// `merge`: two multiplications and an addition an element of the output. Bytes: the three tensors of both states are
/// read, those of one are written.
[[nodiscard]] Cost cost_of_merge(const AttentionState& into);

/// `rescale`: one multiplication an element of the output. Bytes: the three tensors of the state are read and written,
/// the new maximum is read.
[[nodiscard]] Cost cost_of_rescale(const AttentionState& state);

/// `finalize`: one division an element. Bytes: the sum and the state's output are read, out is written.
[[nodiscard]] Cost cost_of(const AttentionState& state, const ActivationView& out);

/// `output_dot_gradient`: 2 FLOP an element. Bytes: out and dout are read, delta is written.
[[nodiscard]] Cost cost_of(const ConstActivationView& out, const ConstActivationView& dout);

/// `backward`: 10 D FLOP a visible pair of each sequence and query head, the recomputed scores included. Bytes: q, k,
/// v, dout, maximum, sum, delta and document ids are read, dq is read and written, dk and dv are written and, unless
/// they are overwritten, read.
[[nodiscard]] Cost cost_of(const BackwardBlock& block, const BlockGradients& gradients);

/// Whole sequences, as one rank alone would hold them.
struct SequenceExtents {
  std::int64_t context_length = 0;  ///< S
  std::int64_t batch = 1;           ///< B
  std::int64_t heads = 0;           ///< H
  std::int64_t kv_heads = 0;        ///< Hkv
  std::int64_t head_size = 0;       ///< D
  DType dtype = DType::float32;     ///< of q, k, v, out and dout
  bool has_documents = false;
};

/// The least that a pass costs, over all ranks: its visible pairs as above, each operand read once and each result
/// written once, gradient sums read and written. (The running state between blocks is not counted: one block needs
/// none.)
[[nodiscard]] Cost cost_of_forward(const SequenceExtents& extents, bool is_causal);
[[nodiscard]] Cost cost_of_backward(const SequenceExtents& extents, bool is_causal);

}  // namespace ringworld
