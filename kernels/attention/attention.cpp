#include "kernels/attention/attention.hpp"

#include "core/error.hpp"
#include "kernels/attention/cost.hpp"

namespace ringworld {
namespace {

using Shape3 = std::array<std::int64_t, 3>;
using Shape4 = std::array<std::int64_t, 4>;

void check_operands(const ConstActivationView& q, const ConstActivationView& k, const ConstActivationView& v,
                    const BlockMask& mask, std::int64_t head_size) {
  require(q.head_size() == head_size, "block attention: the last extent of q is not the head size");
  require(k.shape == Shape4{q.batch(), k.tokens(), k.heads(), head_size},
          "block attention: the shape of k does not fit q");
  require(v.shape == k.shape && v.dtype == k.dtype, "block attention: v has not the shape and type of k");
  require(k.heads() > 0 && q.heads() % k.heads() == 0, "block attention: heads are not a multiple of kv_heads");
  require(q.strides[3] == 1 && k.strides[3] == 1 && v.strides[3] == 1,
          "block attention: the last extent of q, k and v must be dense");
  require(mask.query_document_ids.is_null() == mask.key_document_ids.is_null(),
          "block attention: documents are given for only one of queries and keys");
  if (mask.has_documents()) {
    require(mask.query_document_ids.shape == std::array{q.batch(), q.tokens()} &&
                mask.key_document_ids.shape == std::array{k.batch(), k.tokens()},
            "block attention: the shape of the document ids does not fit q and k");
  }
}

void check_rows(const AttentionState& state, const Shape3& rows) {
  require(state.maximum.shape == rows && state.sum.shape == rows,
          "block attention: maximum or sum does not fit the queries");
}

/// Of a state that a call reads and writes as a whole.
void check_state(const AttentionState& state, std::int64_t head_size) {
  const auto [batch, heads, tokens, output_head_size] = state.output.shape;
  check_rows(state, {batch, heads, tokens});
  require(output_head_size == head_size, "block attention: the last extent of the state's output is not the head size");
  require(state.output.strides[3] == 1, "block attention: the last extent of the state's output must be dense");
}

void check(const ForwardBlock& block, const AttentionState& state, const ActivationView& out, std::int64_t head_size) {
  check_operands(block.q, block.k, block.v, block.mask, head_size);
  const Shape3 rows{block.q.batch(), block.q.heads(), block.q.tokens()};
  check_rows(state, rows);
  require(state.output.shape == Shape4{rows[0], rows[1], rows[2], head_size},
          "block attention: the state's output does not fit q");
  require(out.is_null() || (out.shape == block.q.shape && out.strides[3] == 1),
          "block attention: out does not fit q, or its last extent is not dense");
}

void check(const BackwardBlock& block, const BlockGradients& gradients, std::int64_t head_size) {
  check_operands(block.q, block.k, block.v, block.mask, head_size);
  require(block.dout.shape == block.q.shape, "block attention: dout has not the shape of q");
  require(block.dout.strides[3] == 1, "block attention: the last extent of dout must be dense");
  const Shape3 rows{block.q.batch(), block.q.heads(), block.q.tokens()};
  require(block.maximum.shape == rows && block.sum.shape == rows && block.delta.shape == rows,
          "block attention: maximum, sum or delta does not fit q");
  require(gradients.dq.shape == block.q.shape, "block attention: dq has not the shape of q");
  require(gradients.dk.shape == block.k.shape && gradients.dv.shape == block.k.shape,
          "block attention: dk or dv has not the shape of k");
}

}  // namespace

void BlockAttention::reset(const AttentionState& state) {
  require(state.sum.shape == state.maximum.shape, "block attention: sum has not the shape of maximum");
  charge(cost_of(state));
  run_reset(state);
}

bool BlockAttention::accumulate(const ForwardBlock& block, const AttentionState& state, const ActivationView& out,
                                const Progress& progress) {
  check(block, state, out, head_size_);
  return charge(cost_of(block, out), progress) && run_accumulate(block, state, out, progress);
}

void BlockAttention::merge(const AttentionState& from, const AttentionState& into) {
  check_state(from, head_size_);
  check_state(into, head_size_);
  require(from.output.shape == into.output.shape, "block attention: the two states are not of the same queries");
  charge(cost_of_merge(into));
  run_merge(from, into);
}

void BlockAttention::rescale(const TensorView<const float, 3>& maximum, const AttentionState& state) {
  check_state(state, head_size_);
  require(maximum.shape == state.maximum.shape, "block attention: the new maximum has not the shape of the state's");
  charge(cost_of_rescale(state));
  run_rescale(maximum, state);
}

void BlockAttention::finalize(const AttentionState& state, const ActivationView& out) {
  const auto [batch, heads, tokens, head_size] = state.output.shape;
  check_rows(state, {batch, heads, tokens});
  require(head_size == head_size_, "block attention: the last extent of the state's output is not the head size");
  require(out.shape == Shape4{batch, tokens, heads, head_size}, "block attention: out does not fit the state");
  require(out.strides[3] == 1, "block attention: the last extent of out must be dense");
  charge(cost_of(state, out));
  run_finalize(state, out);
}

void BlockAttention::output_dot_gradient(const ConstActivationView& out, const ConstActivationView& dout,
                                         const TensorView<float, 3>& delta) {
  require(out.head_size() == head_size_, "block attention: the last extent of out is not the head size");
  require(dout.shape == out.shape, "block attention: dout has not the shape of out");
  require(out.strides[3] == 1 && dout.strides[3] == 1,
          "block attention: the last extent of out and dout must be dense");
  require(delta.shape == Shape3{out.batch(), out.heads(), out.tokens()}, "block attention: delta does not fit out");
  charge(cost_of(out, dout));
  run_output_dot_gradient(out, dout, delta);
}

bool BlockAttention::backward(const BackwardBlock& block, const BlockGradients& gradients, const Progress& progress) {
  check(block, gradients, head_size_);
  return charge(cost_of(block, gradients), progress) && run_backward(block, gradients, progress);
}

void clear_overwritten_keys(const BlockGradients& gradients) {
  if (!gradients.overwrites_keys) {
    return;
  }
  for (const TensorView<float, 4>& tensor : {gradients.dk, gradients.dv}) {
    const auto [batch, tokens, heads, head_size] = tensor.shape;
    for (std::int64_t b = 0; b < batch; ++b) {
      for (std::int64_t t = 0; t < tokens; ++t) {
        for (std::int64_t h = 0; h < heads; ++h) {
          for (std::int64_t d = 0; d < head_size; ++d) {
            tensor(b, t, h, d) = 0.0F;
          }
        }
      }
    }
  }
}

}  // namespace ringworld
