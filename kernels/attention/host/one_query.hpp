#pragma once
/// @file  One query a sequence, which sees every key of its document: the attention of a decoder.
/// Source: Dao et al., "Flash-Decoding" (2023).
///
///   keys    | chunk 0 | chunk 1 | chunk 2 | ...     each a partial state (m, l, o) of all heads, by any thread
///   state     m l o  <- + - - - - + - - - - +        merged in the order of the chunks
///
/// A tile of 64 queries would be computed for the one. Here keys and values are read once, in their own type, and memory is
/// what bounds the work. The cut into chunks depends on shapes alone, so that the result is the same for every number of
/// threads. Scores round otherwise than those of the tiles, so this serves no pass that a backward pass follows.

#include <vector>

#include "core/isa.hpp"
#include "device/buffer.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/elementwise/row_functions.hpp"

namespace ringworld::host_attention {

class OneQuery {
 public:
  OneQuery(const BlockAttentionOptions& options, Isa isa)
      : options_(options), rows_(row::row_functions(isa)), memory_(0, DeviceKind::host, MemoryUse::attention) {}

  /// Whether the block is of this kind. A query of a causal pass may be one of a training step's.
  [[nodiscard]] static bool serves(const ForwardBlock& block) {
    return block.q.tokens() == 1 && !block.mask.is_causal && block.q.batch() > 0 && block.k.tokens() > 0;
  }

  /// Folds the block into the state.
  void accumulate(const ForwardBlock& block, const AttentionState& state);

  [[nodiscard]] std::int64_t bytes() const { return memory_.bytes(); }

 private:
  struct Cut;
  struct Partial;
  struct Work;

  [[nodiscard]] Partial partial(const Cut& cut, std::int64_t item, std::int64_t head) const;
  template <class T>
  void fold_chunk(const ForwardBlock& block, const Cut& cut, std::int64_t item) const;
  template <class T>
  void fold_run(const ForwardBlock& block, const Cut& cut, std::int64_t item, std::int64_t begin,
                std::int64_t end) const;
  void merge(const Partial& from, const AttentionState& state, std::int64_t batch, std::int64_t head) const;

  BlockAttentionOptions options_;
  const row::RowFunctions& rows_;
  Buffer memory_;  // (items, H, padded D + 16): output, then maximum and sum
};

}  // namespace ringworld::host_attention
