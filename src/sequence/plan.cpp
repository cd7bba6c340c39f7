#include "sequence/plan.hpp"

#include "core/error.hpp"

namespace ringworld {

Plan make_plan(Schedule schedule, AttentionPass pass, BackwardRotation rotation, int ranks, int rank) {
  require(pass != AttentionPass::forward_backward, "a plan is of one pass");
  require(rank >= 0 && rank < ranks, "a plan is of one of the ranks");
  const bool is_forward = pass == AttentionPass::forward;
  const PlanRequest request{.operands = is_forward || rotation == BackwardRotation::kv ? Cargo::kv : Cargo::q,
                            .has_sums = !is_forward,
                            .ranks = ranks,
                            .rank = rank};
  if (ranks == 1) {
    return {.operands = request.operands,
            .transfers = {},
            .tasks = {request.task(0, 0, none, none)},
            .folds = {},
            .slots = {},
            .steps = 1};
  }
  switch (schedule) {
    case Schedule::ring:
      return make_ring_plan(request);
    case Schedule::all_gather:
      return make_all_gather_plan(request);
  }
  throw Error(ErrorKind::internal, "a schedule without a plan");
}

}  // namespace ringworld
