#include "sequence/piece_views.hpp"

namespace ringworld {

void pack_tokens(TensorOps& tensors, const std::vector<PieceRange>& ranges, const ConstActivationView& from,
                 const ActivationView& to) {
  for (const PieceRange& range : ranges) {
    tensors.copy_activations(from.token_range(range.token_local, range.count),
                             to.token_range(range.token_packed, range.count));
  }
}

void pack_rows(TensorOps& tensors, const std::vector<PieceRange>& ranges, const TensorView<const float, 3>& from,
               const TensorView<float, 3>& to) {
  for (const PieceRange& range : ranges) {
    tensors.copy_strided<float>(from.slice(2, range.token_local, range.count),
                                to.slice(2, range.token_packed, range.count));
  }
}

void pack_ids(TensorOps& tensors, const std::vector<PieceRange>& ranges, const TensorView<const std::int32_t, 2>& from,
              const TensorView<std::int32_t, 2>& to) {
  if (from.is_null()) {
    return;
  }
  for (const PieceRange& range : ranges) {
    tensors.copy_strided<std::int32_t>(from.slice(1, range.token_local, range.count),
                                       to.slice(1, range.token_packed, range.count));
  }
}

}  // namespace ringworld
