/// @file  The plan of all-gather: two long collectives in the place of many hops, and memory that grows with the sequence.
/// Source: Grattafiori et al., "The Llama 3 Herd of Models", arXiv:2407.21783, section 3.3.2 (all-gather of keys and
/// values). Deviations: the own block is computed while the others come; the backward pass gathers again and may gather
/// queries in the place of keys; heads may go in n groups, each gathered while the one before is computed.
///
///   step         0              1                2                n              n+1
///   operands     == gather 0 ==>== gather 1 ====>== gather 2 ==>
///   compute      own block      others, group 0  others, group 1  others, n-1
///   sums                                         == scatter 0 ==> ...            == scatter n-1 ==>   the last is hidden
///                                                                                                     by nothing
///
/// Blocks are met in the order of the ring, so that the forward pass of either gives the same bits. Two groups are in
/// memory at a time.

#include <algorithm>

#include "sequence/plan.hpp"

namespace ringworld {

Plan make_all_gather_plan(const PlanRequest& request) {
  const int rank = request.rank;
  const int ranks = request.ranks;
  const int groups = request.schedule.head_groups;
  const bool has_sums = request.has_sums;
  const int slots = ranks * std::min(groups, 2);
  Plan plan{.operands = request.operands,
            .sums = request.sums,
            .slot_piece = {.head_groups = groups},
            .lanes = {{.of_sums = false, .name = LaneName::collective}},
            .packings = {},
            .transfers = {},
            .tasks = {},
            .folds = {},
            .slots = {.operands = slots, .sums = has_sums ? slots : 0},
            .steps = has_sums ? groups + 2 : groups + 1};
  if (has_sums) {
    plan.lanes.push_back({.of_sums = true, .name = LaneName::collective});
  }
  if (!has_sums) {
    plan.tasks.push_back(request.task(0, {.origin = rank}, none, none));
  }
  for (int group = 0; group < groups; ++group) {
    // The slot of a block has the number of its rank, among operands and among sums, in the half of its group.
    const int first_slot = ranks * (group % 2);
    const auto piece_of = [&](int origin) {
      return Piece{.origin = origin, .head_group = group, .head_groups = groups};
    };
    plan.packings.push_back({.before = group, .piece = piece_of(rank), .slot = first_slot + rank});
    plan.transfers.push_back({.motion = Motion::all_gather,
                              .lane = LaneName::collective,
                              .cargo = request.operands,
                              .sent = piece_of(rank),
                              .from_slot = first_slot,
                              .received = {},
                              .posted_before = group,
                              .needed_before = group + 1});
    if (has_sums) {
      plan.tasks.push_back(request.task(group == 0 ? 0 : group + 1, piece_of(rank), none, first_slot + rank));
    }
    for (int step = 1; step < ranks; ++step) {
      const int origin = (rank - step + ranks) % ranks;
      plan.tasks.push_back(
          request.task(group + 1, piece_of(origin), first_slot + origin, has_sums ? first_slot + origin : none));
    }
    if (has_sums) {
      plan.transfers.push_back({.motion = Motion::reduce_scatter,
                                .lane = LaneName::collective,
                                .cargo = request.sums,
                                .sent = piece_of(rank),
                                .from_slot = first_slot,
                                .received = {},
                                .posted_before = group + 2,
                                .needed_before = group + 3});
      plan.folds.push_back({.kind = FoldKind::replace,
                            .before = group + 3,
                            .piece = piece_of(rank),
                            .arrived_slot = first_slot + rank,
                            .into_slot = none});
    }
  }
  return plan;
}

}  // namespace ringworld
