/// @file  The plan of all-gather: two long collectives in the place of many hops, and memory that grows with the sequence.
/// Source: Grattafiori et al., "The Llama 3 Herd of Models", arXiv:2407.21783, section 3.3.2 (all-gather of keys and
/// values). Deviations: the own block is computed while the others come; the backward pass gathers again and may gather
/// queries in the place of keys.
///
///   step         0                     1                  2
///   operands     ====== gather ======>
///   compute      own block             all other blocks
///   sums                                                  ====== reduce-scatter ======>    hidden by nothing
///
/// Blocks are met in the order of the ring, so that the forward pass of either gives the same bits.

#include "sequence/plan.hpp"

namespace ringworld {

Plan make_all_gather_plan(const PlanRequest& request) {
  const int rank = request.rank;
  const bool has_sums = request.has_sums;
  Plan plan{.operands = request.operands,
            .transfers = {},
            .tasks = {},
            .folds = {},
            .slots = {.operands = request.ranks, .sums = has_sums ? request.ranks : 0},
            .packed_slot = rank,
            .steps = has_sums ? 3 : 2};
  plan.transfers.push_back({.motion = Motion::all_gather,
                            .cargo = request.operands,
                            .sent = rank,
                            .from_slot = rank,
                            .posted_before = 0,
                            .needed_before = 1});
  // The slot of a block in the arena has the number of its rank, among operands and among sums.
  plan.tasks.push_back(request.task(0, rank, none, has_sums ? rank : none));
  for (int step = 1; step < request.ranks; ++step) {
    const int block = (rank - step + request.ranks) % request.ranks;
    plan.tasks.push_back(request.task(1, block, block, has_sums ? block : none));
  }
  if (has_sums) {
    plan.transfers.push_back({.motion = Motion::reduce_scatter,
                              .cargo = request.sums(),
                              .received = rank,
                              .to_slot = rank,
                              .posted_before = 2,
                              .needed_before = 3});
    plan.folds.push_back({.before = 3,
                          .cargo = request.sums(),
                          .block = rank,
                          .arrived_slot = rank,
                          .into_slot = none,
                          .is_overwriting = true});
  }
  return plan;
}

}  // namespace ringworld
