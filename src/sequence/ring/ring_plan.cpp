/// @file  The plans of rings: one ring of whole blocks, or two rings of half blocks.
/// Source: Liu, Zaharia, Abbeel, "Ring Attention with Blockwise Transformers for Near-Infinite Context",
/// arXiv:2310.01889, algorithm 1. Deviations: P - 1 hops instead of P; layouts other than contiguous; the backward pass
/// may rotate queries instead of keys, and so may the forward pass (pass_q), where their states follow them.
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
///
/// bidirectional: the lower half of every run goes up, the upper half goes down, at the same time.
///
/// trimmed (zigzag and a causal mask): early and late runs go down, from rank r to r - 1. Rank r sees the late run of
/// rank o only if r < o, so it ends its way at rank 0, and its sums go from there straight home:
///
///   block of rank 2, P = 4       2 -> 1 -> 0 -> 3 -> (2)
///     early run                  ==== ==== ====
///     late run                   ==== ====|            three quarters of the bytes, over all ranks
///
/// The two runs are two messages, each half as long as a block and both under way at once, where the plain ring sends
/// one: as many bytes, and a hop costs one latency more only where a network does not overlap messages. In one message
/// the runs would share slots. Rank 0, which passes the early run on and ends the late one, would then need sums in
/// whole slots, and the owner a slot more for the late sums that come straight home while sums of whole blocks arrive:
/// 4 blocks of sums in place of 3.5.

#include <array>
#include <span>

#include "sequence/plan.hpp"

namespace ringworld {
namespace {

constexpr int operand_slots = 2;
constexpr int computed_sums = 2;
constexpr int sum_slots = computed_sums + 1;

/// A piece of every block, on its way round the ring.
struct Strand {
  Cut cut = Cut::whole;
  LaneName lane = LaneName::up;
  int direction = 1;          ///< +1: to the next rank; -1: to the previous one
  bool ends_at_zero = false;  ///< whether it stops at rank 0, which sends its sums home
};

constexpr std::array whole{Strand{}};
constexpr std::array both_ways{Strand{.cut = Cut::lower, .lane = LaneName::up, .direction = 1},
                               Strand{.cut = Cut::upper, .lane = LaneName::down, .direction = -1}};
constexpr std::array early_and_late{
    Strand{.cut = Cut::early, .lane = LaneName::down, .direction = -1},
    Strand{.cut = Cut::late, .lane = LaneName::late, .direction = -1, .ends_at_zero = true}};

std::span<const Strand> strands_of(const Schedule& schedule) {
  if (schedule.kind == ScheduleKind::bidirectional) {
    return both_ways;
  }
  return schedule.is_trimmed ? std::span<const Strand>(early_and_late) : std::span<const Strand>(whole);
}

/// The way of one strand past one rank.
class StrandPlan {
 public:
  StrandPlan(const PlanRequest& request, const Strand& strand, int index, Plan& plan)
      : request_(request),
        strand_(strand),
        first_operands_(operand_slots * index),
        first_sums_(sum_slots * index),
        plan_(plan) {}

  void add_lanes() {
    plan_.lanes.push_back({.of_sums = false, .name = strand_.lane});
    if (request_.has_sums) {
      plan_.lanes.push_back({.of_sums = true, .name = strand_.lane});
    }
  }

  void add_step(int step) {
    if (step == 0) {
      plan_.packings.push_back({.before = 0, .piece = piece_at(0), .slot = first_operands_});
    }
    if (step + 1 < request_.ranks) {
      add_hop(request_.operands, step, first_operands_ + step % 2, first_operands_ + 1 - step % 2, step);
    }
    if (step > 0 && is_here(request_.rank, step)) {
      const int slot = request_.has_sums ? first_sums_ + step % 2 : none;
      plan_.tasks.push_back(request_.task(step, piece_at(step), first_operands_ + step % 2, slot));
    }
    if (step > 0 && request_.has_sums) {
      add_sums(step);
    }
  }

 private:
  [[nodiscard]] int wrapped(int rank) const { return (rank % request_.ranks + request_.ranks) % request_.ranks; }
  /// Whose piece `rank` has at a step.
  [[nodiscard]] int origin_at(int rank, int step) const { return wrapped(rank - strand_.direction * step); }
  [[nodiscard]] Piece piece_at(int step) const { return piece_of(request_.rank, step); }
  [[nodiscard]] Piece piece_of(int rank, int step) const {
    return {.origin = origin_at(rank, step), .cut = strand_.cut};
  }
  /// Whether the strand reaches `rank` at a step: one that ends at rank 0 comes from higher ranks only.
  [[nodiscard]] bool is_here(int rank, int step) const {
    return step < request_.ranks && (!strand_.ends_at_zero || rank + step < request_.ranks);
  }
  /// Whether what `rank` has at a step goes to the next rank on its way.
  [[nodiscard]] bool goes_on(int rank, int step) const {
    return is_here(rank, step) && (!strand_.ends_at_zero || rank > 0);
  }

  /// What this rank has at `step` goes on, and what it has at the next step, or what belongs to that, comes.
  void add_hop(Cargo cargo, int step, int from_slot, int to_slot, int posted_before) {
    const int next = wrapped(request_.rank + strand_.direction);
    const int previous = wrapped(request_.rank - strand_.direction);
    Transfer hop{.motion = Motion::send_receive,
                 .lane = strand_.lane,
                 .cargo = cargo,
                 .sent = {},
                 .received = {},
                 .posted_before = posted_before,
                 .needed_before = posted_before + 1};
    if (goes_on(request_.rank, step)) {
      hop.sent = piece_at(step);
      hop.to = next;
      hop.from_slot = from_slot;
    }
    if (goes_on(previous, step)) {
      hop.received = piece_of(previous, step);
      hop.from = previous;
      hop.to_slot = to_slot;
    }
    if (hop.to != none || hop.from != none) {
      plan_.transfers.push_back(hop);
    }
  }

  /// The sums of what was computed at `step` follow the operands one step behind.
  void add_sums(int step) {
    const int arrivals = first_sums_ + computed_sums;
    add_hop(request_.sums, step, first_sums_ + step % 2, arrivals, step + 1);
    const int previous = wrapped(request_.rank - strand_.direction);
    if (goes_on(previous, step)) {
      const bool is_home = step + 1 == request_.ranks;
      plan_.folds.push_back({.kind = FoldKind::add,
                             .before = step + 2,
                             .piece = piece_of(previous, step),
                             .arrived_slot = arrivals,
                             .into_slot = is_home ? none : first_sums_ + (step + 1) % 2});
    }
    if (strand_.ends_at_zero) {
      add_way_home(step);
    }
  }

  /// From rank 0, which has the piece of rank `step` at that step.
  void add_way_home(int step) {
    if (request_.rank != 0 && request_.rank != step) {
      return;
    }
    const Piece piece{.origin = step, .cut = strand_.cut};
    const int arrivals = first_sums_ + sum_slots;
    Transfer way{.motion = Motion::send_receive,
                 .lane = LaneName::home,
                 .cargo = request_.sums,
                 .sent = {},
                 .received = {},
                 .posted_before = step + 1,
                 .needed_before = step + 2};
    if (request_.rank == 0) {
      way.sent = piece;
      way.to = step;
      way.from_slot = first_sums_ + step % 2;
    } else {
      way.received = piece;
      way.from = 0;
      way.to_slot = arrivals;
      plan_.folds.push_back(
          {.kind = FoldKind::add, .before = step + 2, .piece = piece, .arrived_slot = arrivals, .into_slot = none});
    }
    plan_.transfers.push_back(way);
  }

  const PlanRequest& request_;
  Strand strand_;
  int first_operands_;
  int first_sums_;
  Plan& plan_;
};

}  // namespace

Plan make_ring_plan(const PlanRequest& request) {
  const std::span<const Strand> strands = strands_of(request.schedule);
  const int count = static_cast<int>(strands.size());
  const int ways_home = request.schedule.is_trimmed ? 1 : 0;
  Plan plan{.operands = request.operands,
            .sums = request.sums,
            .slot_piece = {.cut = strands.front().cut},
            .lanes = {},
            .packings = {},
            .transfers = {},
            .tasks = {},
            .folds = {},
            .slots = {.operands = operand_slots * count, .sums = request.has_sums ? sum_slots * count + ways_home : 0},
            .steps = request.has_sums ? request.ranks + 1 : request.ranks};
  std::vector<StrandPlan> ways;
  for (int index = 0; index < count; ++index) {
    ways.emplace_back(request, strands[static_cast<std::size_t>(index)], index, plan);
    ways.back().add_lanes();
  }
  if (request.has_sums && ways_home > 0) {
    plan.lanes.push_back({.of_sums = true, .name = LaneName::home});
  }
  plan.tasks.push_back(request.task(0, {.origin = request.rank}, none, none));
  for (int step = 0; step < request.ranks; ++step) {
    for (StrandPlan& way : ways) {
      way.add_step(step);
    }
  }
  return plan;
}

}  // namespace ringworld
