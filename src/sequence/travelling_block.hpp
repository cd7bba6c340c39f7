#pragma once
/// @file  The packed blocks that travel between ranks: several tensors of one rank in one message.
/// Shapes: B batch, T tokens of the block's origin, H / Hkv heads, D head size.

#include <cstddef>
#include <cstdint>

#include "core/tensor_view.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/attention/attention_problem.hpp"
#include "sequence/plan.hpp"

namespace ringworld {

/// Hands out consecutive parts of one stretch of memory as views. With null memory it only counts.
class BlockCursor {
 public:
  explicit BlockCursor(std::byte* memory) : memory_(memory) {}

  [[nodiscard]] ActivationView activations(DType dtype, const std::array<std::int64_t, 4>& shape) {
    return {take(element_count(shape) * size_of(dtype)), dtype, shape};
  }
  template <class T, std::size_t N>
  [[nodiscard]] TensorView<T, N> tensor(const std::array<std::int64_t, N>& shape) {
    return {static_cast<T*>(take(element_count(shape) * static_cast<std::int64_t>(sizeof(T)))), shape};
  }
  [[nodiscard]] std::int64_t bytes() const { return offset_; }

 private:
  void* take(std::int64_t bytes) {
    std::byte* begin = memory_ == nullptr ? nullptr : memory_ + offset_;
    offset_ += bytes;
    return begin;
  }

  std::byte* memory_;
  std::int64_t offset_ = 0;
};

/// Keys and values, in the wire type, with the keys' document ids: `[K | V | ids]`.
struct KeyValueBlock {
  ActivationView k;                          ///< (B, T, Hkv, D)
  ActivationView v;                          ///< (B, T, Hkv, D)
  TensorView<std::int32_t, 2> document_ids;  ///< (B, T), null without documents
  std::int64_t bytes = 0;
};

/// Queries and what their backward pass needs: `[Q | dO | maximum | sum | delta | ids]`, wide
/// vectors first, so that they are aligned whatever the number of rows.
struct QueryBlock {
  ActivationView q;                          ///< (B, T, H, D)
  ActivationView dout;                       ///< (B, T, H, D)
  TensorView<float, 3> maximum;              ///< (B, H, T)
  TensorView<float, 3> sum;                  ///< (B, H, T)
  TensorView<float, 3> delta;                ///< (B, H, T)
  TensorView<std::int32_t, 2> document_ids;  ///< (B, T), null without documents
  std::int64_t bytes = 0;
};

/// fp32 gradient sums that return to their origin: `[dK | dV]`, or `[dQ]` alone in the first of them.
struct GradientBlock {
  TensorView<float, 4> first;   ///< dK (B, T, Hkv, D) or dQ (B, T, H, D)
  TensorView<float, 4> second;  ///< dV (B, T, Hkv, D) or null
  std::int64_t bytes = 0;
};

/// Queries for the forward pass: `[Q | ids]`.
struct ForwardQueryBlock {
  ActivationView q;                          ///< (B, T, H, D)
  TensorView<std::int32_t, 2> document_ids;  ///< (B, T), null without documents
  std::int64_t bytes = 0;
};

/// The running softmax of queries: `[output | sum | maximum]`, and of a partial `[... | common maximum]`.
struct StateBlock {
  AttentionState state;
  TensorView<float, 3> common_maximum;  ///< (B, H, T), over all ranks; null in a state that travels
  std::int64_t bytes = 0;
};

[[nodiscard]] KeyValueBlock view_key_value_block(const AttentionProblem& problem, std::int64_t tokens,
                                                 std::byte* memory);
[[nodiscard]] QueryBlock view_query_block(const AttentionProblem& problem, std::int64_t tokens, std::byte* memory);
/// @param cargo  kv_gradient or q_gradient
[[nodiscard]] GradientBlock view_gradient_block(const AttentionProblem& problem, Cargo cargo, std::int64_t tokens,
                                                std::byte* memory);
[[nodiscard]] ForwardQueryBlock view_forward_query_block(const AttentionProblem& problem, std::int64_t tokens,
                                                         std::byte* memory);
/// @param cargo  state or partial
[[nodiscard]] StateBlock view_state_block(const AttentionProblem& problem, Cargo cargo, std::int64_t tokens,
                                          std::byte* memory);

/// Bytes of a slot that a message moves: all that a block fills, or a part of it.
struct ByteRange {
  std::int64_t begin = 0;
  std::int64_t count = 0;
};
/// Of a block of this many tokens, for any content.
[[nodiscard]] ByteRange bytes_of(const AttentionProblem& problem, Cargo cargo, std::int64_t tokens);
/// Their number.
[[nodiscard]] std::int64_t block_bytes(const AttentionProblem& problem, Cargo cargo, std::int64_t tokens);

}  // namespace ringworld
