#include "sequence/pass_work.hpp"
#include "sequence/piece_views.hpp"
#include "sequence/travelling_block.hpp"

namespace ringworld {
namespace {

std::span<float> as_floats(const GradientBlock& block) {
  return {block.first.data, static_cast<std::size_t>(block.bytes) / sizeof(float)};
}

GradientBlock gradients_in(const WorkGround& ground, Cargo cargo, const Piece& piece, std::byte* slot) {
  return view_gradient_block(problem_of(ground.problem, piece), cargo, tokens_of(ground.partition, piece), slot);
}

QueryOperands own_queries(const SequenceBackward& pass, const Piece& heads) {
  return {.q = heads_of(pass.q, heads),
          .dout = heads_of(pass.dout, heads),
          .maximum = heads_of(pass.maximum, heads),
          .sum = heads_of(pass.sum, heads),
          .delta = heads_of(TensorView<const float, 3>(pass.delta), heads),
          .document_ids = pass.document_ids};
}

KeyOperands own_keys(const SequenceBackward& pass, const Piece& heads) {
  return {.k = heads_of(pass.k, heads), .v = heads_of(pass.v, heads), .document_ids = pass.document_ids};
}

/// Takes sums of a piece (B, tokens of the piece, heads of the piece, D) to this rank's own (B, T, heads, D).
void take_home(const WorkGround& ground, const Fold& fold, const TensorView<float, 4>& arrived,
               const TensorView<float, 4>& own) {
  const TensorView<float, 4> heads = heads_of(own, fold.piece);
  for (const PieceRange& range : ranges_of(ground.partition, fold.piece)) {
    const TensorView<float, 4> from = arrived.slice(1, range.token_packed, range.count);
    const TensorView<float, 4> to = heads.slice(1, range.token_local, range.count);
    if (fold.kind == FoldKind::replace) {
      ground.tensors.copy_activations(from, to);
    } else if (from.is_dense() && to.is_dense()) {
      ground.tensors.add(from.elements(), to.elements());
    } else {
      for (std::int64_t sequence = 0; sequence < from.shape[0]; ++sequence) {  // whose tokens are dense
        ground.tensors.add(from.slice(0, sequence, 1).elements(), to.slice(0, sequence, 1).elements());
      }
    }
  }
}

}  // namespace

void BackwardOfKeys::pack(const Piece& piece, std::byte* slot) {
  const std::vector<PieceRange> ranges = ranges_of(ground_.partition, piece);
  const KeyValueBlock block =
      view_key_value_block(problem_of(ground_.problem, piece), tokens_of(ground_.partition, piece), slot);
  pack_tokens(ground_.tensors, ranges, heads_of(pass_.k, piece), block.k);
  pack_tokens(ground_.tensors, ranges, heads_of(pass_.v, piece), block.v);
  pack_ids(ground_.tensors, ranges, pass_.document_ids, block.document_ids);
}

void BackwardOfKeys::compute(const BlockTask& task, std::byte* operands, std::byte* sums) {
  const Piece& heads = task.queries;
  KeyOperands keys = own_keys(pass_, heads);
  if (operands != nullptr) {
    const KeyValueBlock block =
        view_key_value_block(problem_of(ground_.problem, task.keys), tokens_of(ground_.partition, task.keys), operands);
    keys = {.k = block.k, .v = block.v, .document_ids = block.document_ids};
  }
  const bool is_home = sums == nullptr;
  const GradientBlock share = gradients_in(ground_, Cargo::kv_gradient, task.keys, sums);
  KeyGradients gradients(ground_.tensors, is_home ? pass_.dk : share.first, is_home ? pass_.dv : share.second);
  ground_.blocks.backward(task, own_queries(pass_, heads), keys, heads_of(pass_.dq, heads), gradients);
  gradients.end();
}

void BackwardOfKeys::fold(const Fold& fold, std::byte* arrived, std::byte* into) {
  const GradientBlock from = gradients_in(ground_, Cargo::kv_gradient, fold.piece, arrived);
  if (into != nullptr) {
    const GradientBlock to = gradients_in(ground_, Cargo::kv_gradient, fold.piece, into);
    if (fold.kind == FoldKind::replace) {
      ground_.tensors.copy<float>(as_floats(from), as_floats(to).data());
    } else {
      ground_.tensors.add(as_floats(from), as_floats(to));
    }
    return;
  }
  take_home(ground_, fold, from.first, pass_.dk);
  take_home(ground_, fold, from.second, pass_.dv);
}

BackwardOfQueries::BackwardOfQueries(const WorkGround& ground, const SequenceBackward& pass, int head_groups)
    : ground_(ground), pass_(pass) {
  if (head_groups == 1) {
    gradients_.emplace_back(ground_.tensors, pass_.dk, pass_.dv);
    return;
  }
  ground_.tensors.fill_zero(pass_.dk.elements());
  ground_.tensors.fill_zero(pass_.dv.elements());
  for (int group = 0; group < head_groups; ++group) {
    const Piece heads{.head_group = group, .head_groups = head_groups};
    gradients_.push_back(KeyGradients::cleared(ground_.tensors, heads_of(pass_.dk, heads), heads_of(pass_.dv, heads)));
  }
}

void BackwardOfQueries::pack(const Piece& piece, std::byte* slot) {
  const std::vector<PieceRange> ranges = ranges_of(ground_.partition, piece);
  const QueryBlock block =
      view_query_block(problem_of(ground_.problem, piece), tokens_of(ground_.partition, piece), slot);
  const QueryOperands own = own_queries(pass_, piece);
  pack_rows(ground_.tensors, ranges, own.maximum, block.maximum);
  pack_rows(ground_.tensors, ranges, own.sum, block.sum);
  pack_rows(ground_.tensors, ranges, own.delta, block.delta);
  pack_tokens(ground_.tensors, ranges, own.q, block.q);
  pack_tokens(ground_.tensors, ranges, own.dout, block.dout);
  pack_ids(ground_.tensors, ranges, own.document_ids, block.document_ids);
}

void BackwardOfQueries::compute(const BlockTask& task, std::byte* operands, std::byte* sums) {
  const Piece& heads = task.keys;
  QueryOperands queries = own_queries(pass_, heads);
  if (operands != nullptr) {
    const QueryBlock block = view_query_block(problem_of(ground_.problem, task.queries),
                                              tokens_of(ground_.partition, task.queries), operands);
    queries = {.q = block.q,
               .dout = block.dout,
               .maximum = block.maximum,
               .sum = block.sum,
               .delta = block.delta,
               .document_ids = block.document_ids};
  }
  TensorView<float, 4> dq = heads_of(pass_.dq, heads);  // cleared before
  if (sums != nullptr) {
    dq = gradients_in(ground_, Cargo::q_gradient, task.queries, sums).first;
    ground_.tensors.fill_zero(dq.elements());
  }
  ground_.blocks.backward(task, queries, own_keys(pass_, heads), dq,
                          gradients_.at(static_cast<std::size_t>(heads.head_group)));
}

void BackwardOfQueries::fold(const Fold& fold, std::byte* arrived, std::byte* into) {
  const GradientBlock from = gradients_in(ground_, Cargo::q_gradient, fold.piece, arrived);
  if (into == nullptr) {
    take_home(ground_, fold, from.first, pass_.dq);
    return;
  }
  const GradientBlock to = gradients_in(ground_, Cargo::q_gradient, fold.piece, into);
  if (fold.kind == FoldKind::replace) {
    ground_.tensors.copy<float>(as_floats(from), as_floats(to).data());
  } else {
    ground_.tensors.add(as_floats(from), as_floats(to));
  }
}

void BackwardOfQueries::end() {
  for (KeyGradients& gradients : gradients_) {
    gradients.end();
  }
}

}  // namespace ringworld
