#pragma once
/// @file  FLOP, wire and memory models of ring attention: closed formulas that every measurement is held against.
/// Source: Liu, Zaharia, Abbeel, arXiv:2310.01889, section 3 (bytes of a hop); Dao, arXiv:2307.08691, section 4.1
/// (FLOP conventions: backward is 2.5 times forward).

#include <cstdint>

#include "core/dtype.hpp"

namespace ringworld {

/// The problem, as far as the models need it.
struct AttentionProblem {
  std::int64_t context_length = 0;    ///< S
  std::int64_t batch = 1;             ///< B
  std::int64_t heads = 0;             ///< H
  std::int64_t kv_heads = 0;          ///< Hkv
  std::int64_t head_size = 0;         ///< D
  DType dtype = DType::float32;       ///< q, k, v, out, dout in memory
  DType wire_dtype = DType::float32;  ///< activations while they travel
  bool has_segments = false;          ///< whether document ids travel too
};

enum class AttentionPass : std::uint8_t { forward, backward, forward_backward };

/// What travels in the backward pass.
enum class BackwardRotation : std::uint8_t {
  kv,  ///< keys and values, and the fp32 sums dK and dV behind them; queries stay
  q,   ///< queries, dO, maximum, sum and delta, and the fp32 sum dQ behind them; keys and values stay
};

/// (query, key) pairs of one sequence and head: S (S + 1) / 2 under a causal mask, else S^2.
[[nodiscard]] double visible_pairs(std::int64_t context_length, bool is_causal);

/// FLOP of a pass over all ranks: 4 B H D per pair forward, 10 B H D per pair backward.
[[nodiscard]] double attention_flop(const AttentionProblem& problem, AttentionPass pass, bool is_causal);

/// Bytes that a pass has to move between memory and cores at least, on one rank that holds the whole sequence: each
/// operand read once, each result written once, gradient sums read and written. The backward pass reads maximum, sum and delta of
/// each query and head.
[[nodiscard]] double attention_memory_bytes(const AttentionProblem& problem, AttentionPass pass);

/// Bytes of one token's keys, values and document id on the wire, one sequence.
[[nodiscard]] std::int64_t kv_wire_bytes_per_token(const AttentionProblem& problem);
/// Bytes of one token's q, dO, maximum, sum, delta and document id on the wire, one sequence.
[[nodiscard]] std::int64_t q_wire_bytes_per_token(const AttentionProblem& problem);
/// Bytes of one token's fp32 gradient sums on the wire, one sequence.
[[nodiscard]] std::int64_t gradient_wire_bytes_per_token(const AttentionProblem& problem, BackwardRotation rotation);

/// The rotation that moves fewer bytes. Both move their operands and their gradients P - 1 hops.
[[nodiscard]] BackwardRotation cheaper_rotation(const AttentionProblem& problem);

/// Bytes that all P ranks together send in one pass: every token travels P - 1 hops.
[[nodiscard]] std::int64_t ring_wire_bytes(const AttentionProblem& problem, AttentionPass pass,
                                           BackwardRotation rotation, std::int64_t ranks);

/// The arena of `attention_peak_bytes`: what a plan holds beside its operands and its kernel's scratch memory.
[[nodiscard]] std::int64_t attention_arena_bytes(const AttentionProblem& problem, AttentionPass pass,
                                                 BackwardRotation rotation, std::int64_t ranks, std::int64_t tokens);

/// Bytes that a rank holds at the peak of a pass.
///
/// persistent: q, k, v, out, maximum, sum (+ dout, delta, dq, dk, dv when there is a backward pass)
/// arena:      the larger of
///               forward   running output (D floats a query and head) + 2 operand blocks
///               backward  2 operand blocks + 3 gradient blocks
///             (the blocks only for P > 1)
/// @param tokens  tokens of the rank that holds most (T)
/// @param workspace_bytes  the kernel's scratch memory, independent of T
[[nodiscard]] std::int64_t attention_peak_bytes(const AttentionProblem& problem, AttentionPass pass,
                                                BackwardRotation rotation, std::int64_t ranks, std::int64_t tokens,
                                                std::int64_t workspace_bytes);

}  // namespace ringworld
