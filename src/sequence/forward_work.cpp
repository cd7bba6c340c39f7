#include "core/error.hpp"
#include "sequence/pass_work.hpp"
#include "sequence/piece_views.hpp"
#include "sequence/travelling_block.hpp"

namespace ringworld {
namespace {

KeyOperands keys_in(const WorkGround& ground, const Piece& piece, std::byte* slot) {
  const KeyValueBlock block =
      view_key_value_block(problem_of(ground.problem, piece), tokens_of(ground.partition, piece), slot);
  return {.k = block.k, .v = block.v, .document_ids = block.document_ids};
}

StateBlock state_in(const WorkGround& ground, Cargo cargo, const Piece& piece, std::byte* slot) {
  return view_state_block(problem_of(ground.problem, piece), cargo, tokens_of(ground.partition, piece), slot);
}

}  // namespace

void ForwardOfKeys::pack(const Piece& piece, std::byte* slot) {
  const std::vector<PieceRange> ranges = ranges_of(ground_.partition, piece);
  const KeyValueBlock block =
      view_key_value_block(problem_of(ground_.problem, piece), tokens_of(ground_.partition, piece), slot);
  pack_tokens(ground_.tensors, ranges, heads_of(pass_.k, piece), block.k);
  pack_tokens(ground_.tensors, ranges, heads_of(pass_.v, piece), block.v);
  pack_ids(ground_.tensors, ranges, pass_.document_ids, block.document_ids);
}

void ForwardOfKeys::compute(const BlockTask& task, std::byte* operands, std::byte* /*sums*/) {
  const auto index = static_cast<std::size_t>(&task - plan_.tasks.data());
  const Piece& heads = task.queries;
  const KeyOperands keys = operands != nullptr ? keys_in(ground_, task.keys, operands)
                                               : KeyOperands{.k = heads_of(pass_.k, heads),
                                                             .v = heads_of(pass_.v, heads),
                                                             .document_ids = pass_.document_ids};
  ground_.blocks.accumulate(
      task, {.q = heads_of(pass_.q, heads), .document_ids = pass_.document_ids, .out = heads_of(pass_.out, heads)},
      keys, heads_of(state_, heads), last_blocks_.is_last[index]);
}

void ForwardOfKeys::fold(const Fold& /*fold*/, std::byte* /*arrived*/, std::byte* /*into*/) {
  throw Error(ErrorKind::internal, "nothing comes home in a forward pass of keys");
}

void ForwardOfQueries::pack(const Piece& piece, std::byte* slot) {
  const std::vector<PieceRange> ranges = ranges_of(ground_.partition, piece);
  const ForwardQueryBlock block =
      view_forward_query_block(problem_of(ground_.problem, piece), tokens_of(ground_.partition, piece), slot);
  pack_tokens(ground_.tensors, ranges, heads_of(pass_.q, piece), block.q);
  pack_ids(ground_.tensors, ranges, pass_.document_ids, block.document_ids);
}

void ForwardOfQueries::compute(const BlockTask& task, std::byte* operands, std::byte* sums) {
  ForwardQueries queries{.q = pass_.q, .document_ids = pass_.document_ids, .out = {}};
  if (operands != nullptr) {
    const ForwardQueryBlock block = view_forward_query_block(problem_of(ground_.problem, task.queries),
                                                             tokens_of(ground_.partition, task.queries), operands);
    queries = {.q = block.q, .document_ids = block.document_ids, .out = {}};
  }
  const KeyOperands keys{.k = pass_.k, .v = pass_.v, .document_ids = pass_.document_ids};
  if (sums == nullptr) {
    ground_.blocks.accumulate(task, queries, keys, state_, {});
    return;
  }
  const StateBlock visiting = state_in(ground_, sums_, task.queries, sums);
  ground_.blocks.kernel().reset(visiting.state);
  ground_.blocks.accumulate(task, queries, keys, visiting.state, {});
  if (sums_ == Cargo::partial) {
    ground_.tensors.copy_strided<float>(visiting.state.maximum, visiting.common_maximum);
  }
}

void ForwardOfQueries::fold(const Fold& fold, std::byte* arrived, std::byte* into) {
  const StateBlock from = state_in(ground_, sums_, fold.piece, arrived);
  switch (fold.kind) {
    case FoldKind::add: {
      const AttentionState to = into != nullptr ? state_in(ground_, sums_, fold.piece, into).state : state_;
      ground_.blocks.kernel().merge(from.state, to);
      break;
    }
    case FoldKind::rescale:
      ground_.blocks.kernel().rescale(from.common_maximum, from.state);
      break;
    case FoldKind::replace:
      // It is the whole result of this rank's queries.
      ground_.blocks.kernel().finalize(from.state, pass_.out);
      ground_.tensors.copy_strided<float>(from.state.sum, pass_.sum);
      ground_.tensors.copy_strided<float>(from.state.maximum, pass_.maximum);
      break;
  }
}

}  // namespace ringworld
