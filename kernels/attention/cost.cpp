#include "kernels/attention/cost.hpp"

#include <algorithm>

namespace ringworld {
namespace {

constexpr std::int64_t float_bytes = 4;
constexpr std::int64_t document_id_bytes = 4;
constexpr double forward_flop_per_pair = 4;    // q k and p v
constexpr double backward_flop_per_pair = 10;  // q k again, dout v, p dout, ds k and ds q

std::int64_t bytes_of(const ConstActivationView& view) { return view.size() * size_of(view.dtype); }

std::int64_t state_bytes(const AttentionState& state) {
  return (state.maximum.size() + state.sum.size() + state.output.size()) * float_bytes;
}

std::int64_t document_bytes(const BlockMask& mask) {
  return mask.has_documents() ? (mask.query_document_ids.size() + mask.key_document_ids.size()) * document_id_bytes : 0;
}

/// @param q (B, Tq, H, D)     @param k (B, Tk, Hkv, D)
double products_of(const ConstActivationView& q, const ConstActivationView& k, const BlockMask& mask) {
  const std::int64_t elements = q.batch() * q.heads() * q.head_size();
  return static_cast<double>(elements) * visible_pairs(q.tokens(), k.tokens(), mask);
}

/// Gives the cost of a block the shape on which its rate depends.
Cost shaped(Cost cost, WorkKind kind, const ConstActivationView& q, const ConstActivationView& k,
            const BlockMask& mask) {
  cost.kind = kind;
  cost.rows = q.tokens();
  cost.columns = k.tokens();
  cost.depth = q.head_size();
  cost.heads = q.batch() * q.heads();
  cost.is_cut =
      visible_pairs(q.tokens(), k.tokens(), mask) < static_cast<double>(q.tokens()) * static_cast<double>(k.tokens());
  return cost;
}

double products_of(const SequenceExtents& extents, bool is_causal) {
  const std::int64_t elements = extents.batch * extents.heads * extents.head_size;
  return static_cast<double>(elements) * visible_pairs(extents.context_length, is_causal);
}

/// q, k, v, document ids, and the one of out and dout that the pass has; a token.
std::int64_t operand_bytes(const SequenceExtents& extents) {
  return 2 * (extents.heads + extents.kv_heads) * extents.head_size * size_of(extents.dtype) +
         (extents.has_documents ? document_id_bytes : 0);
}

}  // namespace

double visible_pairs(std::int64_t query_tokens, std::int64_t key_tokens, const BlockMask& mask) {
  if (!mask.is_causal) {
    return static_cast<double>(query_tokens) * static_cast<double>(key_tokens);
  }
  // Beyond these limits nothing or everything is visible, and sums of an unlimited diagonal would overflow.
  const std::int64_t diagonal = std::clamp(mask.diagonal, -query_tokens, key_tokens);
  // Query i sees min(Tk, i + diagonal + 1) keys: none before `first`, every one from `full` on.
  const std::int64_t first = std::clamp(-diagonal, std::int64_t{0}, query_tokens);
  const std::int64_t full = std::clamp(key_tokens - 1 - diagonal, first, query_tokens);
  const double in_triangle =
      0.5 * static_cast<double>(full - first) * static_cast<double>(first + full + 2 * diagonal + 1);
  return in_triangle + static_cast<double>(query_tokens - full) * static_cast<double>(key_tokens);
}

double visible_pairs(std::int64_t context_length, bool is_causal) {
  return visible_pairs(
      context_length, context_length,
      BlockMask{.is_causal = is_causal, .diagonal = 0, .query_document_ids = {}, .key_document_ids = {}});
}

Cost cost_of(const AttentionState& state) {
  return {.flop = 0, .bytes = static_cast<double>(2 * state.maximum.size() * float_bytes)};
}

Cost cost_of(const ForwardBlock& block, const ActivationView& out) {
  const std::int64_t rows = block.q.batch() * block.q.heads() * block.q.tokens();
  const std::int64_t numbers = 2 * 2 * rows * float_bytes;
  const std::int64_t output = block.q.size() * float_bytes;
  const std::int64_t written = out.is_null() ? output : bytes_of(out);
  return shaped({.flop = forward_flop_per_pair * products_of(block.q, block.k, block.mask),
                 .bytes = static_cast<double>(bytes_of(block.q) + bytes_of(block.k) + bytes_of(block.v) +
                                              document_bytes(block.mask) + numbers + output + written)},
                WorkKind::attention_forward, block.q, block.k, block.mask);
}

Cost cost_of_merge(const AttentionState& into) {
  return {.flop = 3 * static_cast<double>(into.output.size()), .bytes = static_cast<double>(3 * state_bytes(into))};
}

Cost cost_of_rescale(const AttentionState& state) {
  return {.flop = static_cast<double>(state.output.size()),
          .bytes = static_cast<double>(2 * state_bytes(state) + state.maximum.size() * float_bytes)};
}

Cost cost_of(const AttentionState& state, const ActivationView& out) {
  return {.flop = static_cast<double>(out.size()),
          .bytes = static_cast<double>((state.sum.size() + state.output.size()) * float_bytes + bytes_of(out))};
}

Cost cost_of(const ConstActivationView& out, const ConstActivationView& dout) {
  const std::int64_t rows = out.batch() * out.heads() * out.tokens();
  return {.flop = 2 * static_cast<double>(out.size()),
          .bytes = static_cast<double>(bytes_of(out) + bytes_of(dout) + rows * float_bytes)};
}

Cost cost_of(const BackwardBlock& block, const BlockGradients& gradients) {
  const std::int64_t operands =
      bytes_of(block.q) + bytes_of(block.k) + bytes_of(block.v) + bytes_of(block.dout) + document_bytes(block.mask);
  const std::int64_t numbers = (block.maximum.size() + block.sum.size() + block.delta.size()) * float_bytes;
  const std::int64_t query_sums = 2 * gradients.dq.size() * float_bytes;
  const std::int64_t key_sums =
      (gradients.overwrites_keys ? 1 : 2) * (gradients.dk.size() + gradients.dv.size()) * float_bytes;
  return shaped({.flop = backward_flop_per_pair * products_of(block.q, block.k, block.mask),
                 .bytes = static_cast<double>(operands + numbers + query_sums + key_sums)},
                WorkKind::attention_backward, block.q, block.k, block.mask);
}

Cost cost_of_forward(const SequenceExtents& extents, bool is_causal) {
  const std::int64_t numbers = 2 * extents.heads * float_bytes;  // maximum and sum
  return {.flop = forward_flop_per_pair * products_of(extents, is_causal),
          .bytes = static_cast<double>(extents.batch * extents.context_length * (operand_bytes(extents) + numbers))};
}

Cost cost_of_backward(const SequenceExtents& extents, bool is_causal) {
  const std::int64_t numbers = 3 * extents.heads * float_bytes;  // maximum, sum and delta
  const std::int64_t sums = 2 * (extents.heads + 2 * extents.kv_heads) * extents.head_size * float_bytes;
  return {
      .flop = backward_flop_per_pair * products_of(extents, is_causal),
      .bytes = static_cast<double>(extents.batch * extents.context_length * (operand_bytes(extents) + numbers + sums))};
}

}  // namespace ringworld
