#pragma once
/// @file  Keys and values of every token so far, spread over a ring, and the attention of one new token to all of them.
/// Source: Milakov, Gimelshein, arXiv:1805.02867 (running softmax); the merge of partial softmaxes by their
/// log-sum-exp is that of Dao et al., "Flash-Decoding" (2023).
/// Shapes: B sequences, T tokens that this rank holds, H / Hkv query / key heads, D head size.
///
///   rank 0  q . K_0 -> m_0 l_0 o_0 --+      M = max m_r              (one maximum over the ring)
///   rank 1  q . K_1 -> m_1 l_1 o_1 --+-->   L = sum l_r e^(m_r - M)  (one sum over the ring, l and o together)
///   rank 2  q . K_2 -> m_2 l_2 o_2 --+      out = sum o_r e^(m_r - M) / L
///
/// Keys, values, queries and results lie where the backend computes; the weights e^(m_r - M) are made on the host,
/// which waits for the maxima where the ring has several ranks.
///
/// Sequences of one batch may differ in what they hide: with documents a token sees the tokens of its own document
/// only, and a negative id is padding, as in BlockMask.
///
/// No keys or values move between ranks: a token costs B H (D + 2) floats in two reductions a layer, whatever the
/// context's length. LWM's decoder sends the whole cache round the ring for each token.

#include <memory>
#include <vector>

#include "comm/communicator.hpp"
#include "core/dtype.hpp"
#include "device/buffer.hpp"
#include "device/dual_buffer.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/tensor/tensor.hpp"

namespace ringworld {

struct CacheShape {
  std::int64_t layers = 0;
  std::int64_t batch = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_size = 0;
  std::int64_t capacity = 0;     ///< tokens of a sequence that this rank can hold
  DType dtype = DType::float32;  ///< type of keys, values, queries and results; sums are fp32
  bool has_documents = false;    ///< whether tokens carry document ids
};

class KeyValueCache {
 public:
  /// @throws Error(bad_input) when the head size or backend is not built, Error(out_of_memory).
  KeyValueCache(Communicator ring, const CacheShape& shape, Backend backend, int threads);

  void clear();
  /// Tokens of a sequence that this rank holds in `layer`.
  [[nodiscard]] std::int64_t tokens(std::int64_t layer) const { return counts_[static_cast<std::size_t>(layer)]; }

  /// Adds tokens behind those of this rank; their order does not matter to `attend`.
  /// @param k, v (B, T, Hkv, D), k rotated already
  /// @param document_ids (B, T), the same for every layer; null without documents
  /// @throws Error when the cache has no room.
  void append(std::int64_t layer, const ConstActivationView& k, const ConstActivationView& v,
              const TensorView<const std::int32_t, 2>& document_ids = {});

  /// Attention of one token a sequence to every token of every rank. Collective over the ring.
  /// @param q (B, 1, H, D), rotated     @param out (B, 1, H, D), overwritten, the same on every rank
  /// @param document_ids (B, 1) of the queries; null without documents
  /// @pre for each sequence, some rank holds a token that its query sees
  void attend(std::int64_t layer, const ConstActivationView& q, const ActivationView& out,
              const TensorView<const std::int32_t, 2>& document_ids = {});

  /// Bytes of keys and values.
  [[nodiscard]] std::int64_t bytes() const { return memory_.bytes(); }

 private:
  [[nodiscard]] ActivationView stored(std::int64_t layer, bool is_value, std::int64_t begin, std::int64_t count) const;
  /// (B, count)
  [[nodiscard]] TensorView<std::int32_t, 2> stored_documents(std::int64_t begin, std::int64_t count) const;
  void require_documents(const TensorView<const std::int32_t, 2>& document_ids, std::int64_t count) const;
  void sum_over_ring(const AttentionState& state);

  Communicator ring_;
  CacheShape shape_;
  DeviceKind place_;
  std::int64_t rows_;  // B H
  std::unique_ptr<BlockAttention> kernel_;
  std::unique_ptr<TensorOps> tensors_;
  Buffer memory_;                     // (layers, 2, B, capacity, Hkv, D)
  std::vector<std::int64_t> counts_;  // of each layer
  Buffer document_ids_;               // (B, capacity); every layer holds the same tokens. Empty without documents
  Buffer maximum_;                    // (B, H)
  DualArray<float> maxima_;           // (2, B, H), of this rank and of the ring
  DualArray<float> weights_;          // (B, H)
  DualArray<std::int32_t> seen_;      // (B, H), the row itself; negative: its query sees no token of this rank
  Buffer output_;                     // (B, H, D) of this rank, unspecified for rows that see no token
  Buffer sums_;                       // (B, H) sums, then (B, H, D) outputs: they travel together
};

}  // namespace ringworld
