#pragma once
/// @file  The part of a rank's tensors that belongs to a piece: its heads, and copies of its tokens into a slot.

#include <vector>

#include "kernels/attention/attention.hpp"
#include "kernels/tensor/tensor.hpp"
#include "sequence/piece.hpp"

namespace ringworld {

/// The heads of a piece, of activations (B, T, H or Hkv, D).
template <class View>
[[nodiscard]] View heads_of(const View& view, const Piece& piece) {
  const std::int64_t count = view.shape[2] / piece.head_groups;
  if constexpr (requires { view.head_range(0, 0); }) {
    return view.head_range(piece.head_group * count, count);
  } else {
    return view.slice(2, piece.head_group * count, count);
  }
}

/// The heads of a piece, of rows (B, H, T).
template <class T>
[[nodiscard]] TensorView<T, 3> heads_of(const TensorView<T, 3>& rows, const Piece& piece) {
  const std::int64_t count = rows.shape[1] / piece.head_groups;
  return rows.slice(1, piece.head_group * count, count);
}

[[nodiscard]] inline AttentionState heads_of(const AttentionState& state, const Piece& piece) {
  const std::int64_t count = state.sum.shape[1] / piece.head_groups;
  return state.head_range(piece.head_group * count, count);
}

/// Copies the tokens of a piece of this rank, activations (B, T, heads of the piece, D), in the order of the piece.
void pack_tokens(TensorOps& tensors, const std::vector<PieceRange>& ranges, const ConstActivationView& from,
                 const ActivationView& to);
/// The same of rows (B, heads of the piece, T), and of document ids (B, T), which may be null.
void pack_rows(TensorOps& tensors, const std::vector<PieceRange>& ranges, const TensorView<const float, 3>& from,
               const TensorView<float, 3>& to);
void pack_ids(TensorOps& tensors, const std::vector<PieceRange>& ranges, const TensorView<const std::int32_t, 2>& from,
              const TensorView<std::int32_t, 2>& to);

}  // namespace ringworld
