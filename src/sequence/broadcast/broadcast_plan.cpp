/// @file  The plan of broadcasts: every rank in turn sends its block to all, who compute with it in the same step.
/// Source: Yin, Wang et al., "RingX: Scalable Parallel Attention for Long-Context Learning on HPC", SC 2025. Deviations:
/// the next broadcast is posted before the compute of the present block, not after it; sums travel in fp32.
///
///   step           0        1        2        3                 every rank's own block takes its turn like the others
///   operands       = B0 ===>= B1 ===>= B2 ===>
///   compute                 block 0  block 1  block 2
///   sums                             = R0 ===>= R1 ===>...      reduced to the owner of the block
///
/// Where queries travel in the forward pass (broadcast_queries) every rank has a partial result of the block. Partials
/// are made relative to the maximum over all ranks, which takes a step more, and then added up:
///
///   step           o+1        o+2               o+3            o+4
///   block o        compute    == maximum ====> rescale
///                                               == reduce ===> home
///
/// The partial that comes home is the whole result of its owner, so no rank keeps a running state beside the partials.
/// Three of them exist at a time: one is computed while the maximum of the one before and the sums of the one before
/// that travel. Two would do if the maximum were waited for where it is posted; but then nothing would hide the latency
/// of an all-reduce in every one of the P steps.

#include "sequence/plan.hpp"

namespace ringworld {

Plan make_broadcast_plan(const PlanRequest& request) {
  const int ranks = request.ranks;
  const bool is_partial = request.sums == Cargo::partial;
  const int sum_slots = is_partial ? 3 : 2;  // computed, in reduction, and between
  const int last_step = is_partial ? ranks + 2 : ranks + 1;
  Plan plan{.operands = request.operands,
            .sums = request.sums,
            .slot_piece = {},
            .lanes = {{.of_sums = false, .name = LaneName::collective}},
            .packings = {{.before = request.rank, .piece = {.origin = request.rank}, .slot = request.rank % 2}},
            .transfers = {},
            .tasks = {},
            .folds = {},
            .slots = {.operands = 2, .sums = request.has_sums ? sum_slots : 0},
            .steps = request.has_sums ? last_step + 1 : ranks + 1};
  if (request.has_sums) {
    plan.lanes.push_back({.of_sums = true, .name = LaneName::reduction});
  }
  if (is_partial) {
    plan.lanes.push_back({.of_sums = true, .name = LaneName::collective});
  }
  const auto move = [&](Motion motion, LaneName lane, Cargo cargo, int owner, int slot, int posted_before) {
    plan.transfers.push_back({.motion = motion,
                              .lane = lane,
                              .cargo = cargo,
                              .sent = {.origin = owner},
                              .from_slot = slot,
                              .received = {},
                              .posted_before = posted_before,
                              .needed_before = posted_before + 1});
  };
  for (int owner = 0; owner < ranks; ++owner) {
    const Piece piece{.origin = owner};
    const bool is_own = owner == request.rank;
    const int step = owner + 1;
    const int slot = request.has_sums ? owner % sum_slots : none;
    move(Motion::broadcast, LaneName::collective, request.operands, owner, owner % 2, owner);
    plan.tasks.push_back(request.task(step, piece, is_own ? none : owner % 2, slot));
    if (!request.has_sums) {
      continue;
    }
    int reduced = step + 1;
    if (is_partial) {
      move(Motion::reduce_maximum, LaneName::collective, Cargo::common_maximum, owner, slot, step + 1);
      plan.folds.push_back({.kind = FoldKind::rescale, .before = step + 2, .piece = piece, .arrived_slot = slot});
      reduced = step + 2;
    }
    move(Motion::reduce, LaneName::reduction, is_partial ? Cargo::numerator : request.sums, owner, slot, reduced);
    if (is_own) {
      plan.folds.push_back(
          {.kind = FoldKind::replace, .before = reduced + 1, .piece = piece, .arrived_slot = slot, .into_slot = none});
    }
  }
  return plan;
}

}  // namespace ringworld
