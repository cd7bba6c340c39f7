/// @file  The plan of the ring.
/// Source: Liu, Zaharia, Abbeel, "Ring Attention with Blockwise Transformers for Near-Infinite Context",
/// arXiv:2310.01889, algorithm 1. Deviations: P - 1 hops instead of P; layouts other than contiguous; the backward pass
/// may rotate queries instead of keys.
///
///   step            0           1           2           P-1
///   compute         own block   block of    block of    block of      every rank meets each block once
///                               rank-1      rank-2      rank+1
///   operands        ====hop====>====hop====>====hop====>              P - 1 hops, each behind the compute of its step
///   sums                                    ====hop====>====hop====>  P - 1 hops, each behind the compute of the next
///                                                                     step; the last, behind none, comes home
///
/// The block of a rank's own tokens never needs the ring, so its sums start at step 1 and need no hop more than the
/// operands. Two slots are enough for operands: a hop overwrites the block of the step before. Sums have two slots that
/// take turns at being computed and sent, and one in which they arrive.

#include "sequence/plan.hpp"

namespace ringworld {
namespace {

constexpr int arrivals = 2;

}  // namespace

Plan make_ring_plan(const PlanRequest& request) {
  const int ranks = request.ranks;
  const int next = (request.rank + 1) % ranks;
  const int previous = (request.rank + ranks - 1) % ranks;
  const auto block_at = [&](int step) { return (request.rank - step % ranks + ranks) % ranks; };

  Plan plan{.operands = request.operands,
            .transfers = {},
            .tasks = {},
            .folds = {},
            .slots = {.operands = 2, .sums = request.has_sums ? 3 : 0},
            .packed_slot = 0,
            .steps = request.has_sums ? ranks + 1 : ranks};
  const auto hop = [&](Cargo cargo, int step, int from_slot, int to_slot, int posted_before) {
    plan.transfers.push_back({.motion = Motion::send_receive,
                              .cargo = cargo,
                              .sent = block_at(step),
                              .to = next,
                              .from_slot = from_slot,
                              .received = block_at(step + 1),
                              .from = previous,
                              .to_slot = to_slot,
                              .posted_before = posted_before,
                              .needed_before = posted_before + 1});
  };
  for (int step = 0; step < ranks; ++step) {
    const int slot = step % 2;
    const bool is_own = step == 0;
    const bool is_last = step + 1 == ranks;
    if (!is_last) {
      hop(request.operands, step, slot, 1 - slot, step);
    }
    plan.tasks.push_back(
        request.task(step, block_at(step), is_own ? none : slot, is_own || !request.has_sums ? none : slot));
    if (request.has_sums && !is_own) {
      hop(request.sums(), step, slot, arrivals, step + 1);
      plan.folds.push_back({.before = step + 2,
                            .cargo = request.sums(),
                            .block = block_at(step + 1),
                            .arrived_slot = arrivals,
                            .into_slot = is_last ? none : 1 - slot});
    }
  }
  return plan;
}

}  // namespace ringworld
