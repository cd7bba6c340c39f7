#include "sequence/plan.hpp"

#include "core/error.hpp"

namespace ringworld {
namespace {

PlanRequest request_of(const Schedule& schedule, AttentionPass pass, BackwardRotation rotation, int ranks, int rank) {
  const bool is_forward = pass == AttentionPass::forward;
  const bool do_queries_travel =
      schedule.kind == ScheduleKind::pass_q || schedule.kind == ScheduleKind::broadcast_queries;
  PlanRequest request{.schedule = schedule, .has_sums = !is_forward || do_queries_travel, .ranks = ranks, .rank = rank};
  if (is_forward && do_queries_travel) {
    request.operands = Cargo::query;
    request.sums = schedule.kind == ScheduleKind::pass_q ? Cargo::state : Cargo::partial;
  } else if (!is_forward && rotation == BackwardRotation::q) {
    request.operands = Cargo::q;
    request.sums = Cargo::q_gradient;
  }
  return request;
}

Plan make_plan_of_one(const PlanRequest& request) {
  return {.operands = request.operands,
          .sums = request.sums,
          .slot_piece = {},
          .lanes = {},
          .packings = {},
          .transfers = {},
          .tasks = {request.task(0, {.origin = 0}, none, none)},
          .folds = {},
          .slots = {},
          .steps = 1};
}

}  // namespace

Plan make_plan(const Schedule& schedule, AttentionPass pass, BackwardRotation rotation, int ranks, int rank) {
  require(pass != AttentionPass::forward_backward, "a plan is of one pass");
  require(rank >= 0 && rank < ranks, "a plan is of one of the ranks");
  const PlanRequest request = request_of(schedule, pass, rotation, ranks, rank);
  if (ranks == 1) {
    return make_plan_of_one(request);
  }
  switch (schedule.kind) {
    case ScheduleKind::ring:
    case ScheduleKind::bidirectional:
    case ScheduleKind::pass_q:
      return make_ring_plan(request);
    case ScheduleKind::all_gather:
      return make_all_gather_plan(request);
    case ScheduleKind::double_ring:
      return make_double_ring_plan(request);
    case ScheduleKind::broadcast:
    case ScheduleKind::broadcast_queries:
      return make_broadcast_plan(request);
  }
  throw Error(ErrorKind::internal, "a schedule without a plan");
}

}  // namespace ringworld
