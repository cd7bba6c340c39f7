#include "core/error.hpp"
#include "kernels/attention/attention.hpp"

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
  require(mask.query_segments.is_null() == mask.key_segments.is_null(),
          "block attention: documents are given for only one of queries and keys");
  if (mask.has_segments()) {
    require(mask.query_segments.shape == std::array{q.batch(), q.tokens()} &&
                mask.key_segments.shape == std::array{k.batch(), k.tokens()},
            "block attention: the shape of the segment ids does not fit q and k");
  }
}

}  // namespace

void check_block(const ForwardBlock& block, const AttentionState& state, const ActivationView& out,
                 std::int64_t head_size) {
  check_operands(block.q, block.k, block.v, block.mask, head_size);
  const Shape3 rows{block.q.batch(), block.q.heads(), block.q.tokens()};
  require(state.maximum.shape == rows && state.sum.shape == rows, "block attention: maximum or sum does not fit q");
  require(state.output.shape == Shape4{rows[0], rows[1], rows[2], head_size},
          "block attention: the state's output does not fit q");
  require(out.is_null() || (out.shape == block.q.shape && out.strides[3] == 1),
          "block attention: out does not fit q, or its last extent is not dense");
}

void check_block(const BackwardBlock& block, const BlockGradients& gradients, std::int64_t head_size) {
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
