#pragma once
/// @file  A plan: what one rank does in one pass, as data. Pure functions make it, without a communicator and without
/// memory; one executor runs it (sequence/executor.hpp); counts of bytes, messages and memory and the bound of a layout
/// read it (sequence/plan_cost.hpp).
///
///   step           0             1             2           every piece has a slot of the arena, or is the rank's own
///   boundary   0         1             2             3     boundary b lies before step b
///   transfer   post ---> wait                              posted before the tasks of a step, needed by a later one
///   tasks      [compute]     [compute]     [compute]       queries of one rank against keys of one rank
///   folds                              add           add   sums that arrived, into those that are here

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/attention/attention_problem.hpp"
#include "sequence/piece.hpp"
#include "sequence/schedule.hpp"

namespace ringworld {

/// The content of a slot, or of a message (sequence/travelling_block.hpp).
enum class Cargo : std::uint8_t {
  kv,              ///< keys, values and document ids
  q,               ///< queries and what their backward pass reads
  query,           ///< queries and document ids, for the forward pass
  kv_gradient,     ///< fp32 sums dK and dV
  q_gradient,      ///< fp32 sums dQ
  state,           ///< running softmax of queries against some of the keys
  partial,         ///< the same, with room for the maximum over all ranks
  common_maximum,  ///< of a partial: the maximum over all ranks
  numerator,       ///< of a partial: its sum and output
};

/// What goes home, or is computed to go home.
[[nodiscard]] constexpr bool is_sum(Cargo cargo) {
  return cargo != Cargo::kv && cargo != Cargo::q && cargo != Cargo::query;
}

enum class Motion : std::uint8_t {
  send_receive,    ///< one piece to one rank, another from one rank; either may be missing
  all_gather,      ///< every rank's piece to all
  reduce_scatter,  ///< every rank's sums for the piece of each rank, added up, to that rank
  broadcast,       ///< the piece of one rank to all
  reduce,          ///< every rank's sums for the piece of one rank, added up, to that rank
  reduce_maximum,  ///< the largest of every rank's numbers, to all
};

/// Transfers of one lane are matched in the order in which they are posted; those of two lanes do not wait for each
/// other. Operands and sums have lanes of their own.
enum class LaneName : std::uint8_t {
  up,          ///< to the next rank of a ring
  down,        ///< to the previous rank
  late,        ///< to the previous rank, of late runs alone
  outer,       ///< to the same place of the next ring
  home,        ///< to the owner of a piece
  collective,  ///< to and from all
  reduction,   ///< from all to the owner of a piece
};
inline constexpr std::size_t lane_name_count = 7;

/// Whether a lane carries hops, or collectives.
[[nodiscard]] constexpr bool is_of_hops(LaneName lane) { return lane < LaneName::collective; }

/// One transfer as one rank sees it. What one rank posts before a step, its partners post before the same step, in the
/// same order.
///
/// The slots of a collective: all_gather and reduce_scatter move the pieces of all ranks, that of rank r in slot
/// `from_slot` + r; the others move one piece, in `from_slot` of every rank. Sums are reduced in place: the owner's slot
/// then holds the sum over all ranks.
struct Transfer {
  Motion motion = Motion::send_receive;
  LaneName lane = LaneName::up;
  Cargo cargo = Cargo::kv;
  Piece sent;     ///< of a collective: the owner's; of one of all pieces: this rank's
  int to = none;  ///< the rank that receives it; none: nothing is sent
  int from_slot = none;
  Piece received;
  int from = none;  ///< the rank that sends it; none: nothing is received
  int to_slot = none;
  int posted_before = 0;  ///< step whose tasks hide the transfer; `steps`: no tasks hide it
  int needed_before = 0;  ///< this step, or the end
};

/// Packs a piece of the rank's own operands into a slot.
struct Packing {
  int before = 0;  ///< this step, ahead of the transfers posted before it
  Piece piece;
  int slot = none;
};

/// The queries of one piece against the keys of another.
struct BlockTask {
  int step = 0;
  Piece queries;
  Piece keys;
  int operand_slot = none;  ///< slot of the piece that is not this rank's own; none: both are this rank's own
  int result_slot = none;   ///< slot for sums that travel; none: they go to this rank's own result
};

enum class FoldKind : std::uint8_t {
  add,      ///< to sums that are there; states are merged
  replace,  ///< what is there is still uninitialised
  rescale,  ///< in place: makes a partial relative to the maximum over all ranks
};

/// What is done with sums that arrived.
struct Fold {
  FoldKind kind = FoldKind::add;
  int before = 0;  ///< this step, or the end
  Piece piece;
  int arrived_slot = none;
  int into_slot = none;  ///< none: this rank's own result; of a rescaling: none
};

struct SlotCounts {
  int operands = 0;
  int sums = 0;

  friend bool operator==(const SlotCounts&, const SlotCounts&) = default;
};

/// A lane that a plan uses: on all ranks, whether or not this one sends.
struct PlannedLane {
  bool of_sums = false;
  LaneName name = LaneName::up;

  friend bool operator==(const PlannedLane&, const PlannedLane&) = default;
};

struct Plan {
  Cargo operands = Cargo::kv;       ///< which operands travel
  Cargo sums = Cargo::kv_gradient;  ///< what slots of sums hold
  Piece slot_piece;                 ///< cut and head groups of the pieces in slots
  std::vector<PlannedLane> lanes;
  std::vector<Packing> packings;
  std::vector<Transfer> transfers;  ///< in the order in which they are posted
  std::vector<BlockTask> tasks;     ///< in the order in which they are computed
  std::vector<Fold> folds;
  SlotCounts slots;
  int steps = 0;  ///< the last ones may have no tasks: what is posted before them is hidden by nothing

  [[nodiscard]] bool do_keys_travel() const { return operands == Cargo::kv; }
  /// Whether a task adds to this rank's own result. Where none does, all results come home in slots, and the rank
  /// needs no memory for a running state of its own.
  [[nodiscard]] bool has_own_result() const {
    return std::ranges::any_of(tasks, [](const BlockTask& task) { return task.result_slot == none; });
  }
  /// The piece that a task is about: not this rank's own, unless both are.
  [[nodiscard]] const Piece& piece_of(const BlockTask& task) const {
    return do_keys_travel() ? task.keys : task.queries;
  }
};

/// The input of a schedule: one pass on one of `ranks` ranks.
struct PlanRequest {
  Schedule schedule;
  Cargo operands = Cargo::kv;       ///< what travels
  Cargo sums = Cargo::kv_gradient;  ///< what comes home
  bool has_sums = false;            ///< whether anything does
  int ranks = 1;
  int rank = 0;

  /// The task at which this rank meets `piece`; its own side is the whole block, of the same heads.
  [[nodiscard]] BlockTask task(int step, const Piece& piece, int operand_slot, int result_slot) const {
    const Piece own{
        .origin = rank, .cut = Cut::whole, .head_group = piece.head_group, .head_groups = piece.head_groups};
    const bool do_keys_travel = operands == Cargo::kv;
    return {.step = step,
            .queries = do_keys_travel ? own : piece,
            .keys = do_keys_travel ? piece : own,
            .operand_slot = operand_slot,
            .result_slot = result_slot};
  }
};

/// @param pass  forward or backward, not both
/// @param rotation  what travels in the backward pass
/// @param ranks  of the schedule: of an exchange of heads, those of one ring
[[nodiscard]] Plan make_plan(const Schedule& schedule, AttentionPass pass, BackwardRotation rotation, int ranks,
                             int rank);

}  // namespace ringworld
