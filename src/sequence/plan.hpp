#pragma once
/// @file  A plan: what one rank does in one pass, as data. Pure functions make it, without a communicator and without
/// memory; one executor runs it (sequence/executor.hpp); counts of bytes, messages and memory and the bound of a layout
/// read it (sequence/plan_cost.hpp).
///
///   step           0             1             2           every block has a slot of the arena, or is the rank's own
///   boundary   0         1             2             3     boundary b lies before step b
///   transfer   post ---> wait                              posted before the tasks of a step, needed by a later one
///   tasks      [compute]     [compute]     [compute]       queries of one rank against keys of one rank
///   folds                              add           add   sums that arrived, into those that are here

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/attention/attention_problem.hpp"
#include "sequence/schedule.hpp"

namespace ringworld {

/// The content of a block (sequence/travelling_block.hpp).
enum class Cargo : std::uint8_t {
  kv,           ///< keys, values and document ids
  q,            ///< queries and what their backward pass reads
  kv_gradient,  ///< fp32 sums dK and dV
  q_gradient,   ///< fp32 sums dQ
};

[[nodiscard]] constexpr bool is_sum(Cargo cargo) { return cargo == Cargo::kv_gradient || cargo == Cargo::q_gradient; }
/// The sums of which these are the operands.
[[nodiscard]] constexpr Cargo gradient_of(Cargo operands) {
  return operands == Cargo::kv ? Cargo::kv_gradient : Cargo::q_gradient;
}

enum class Motion : std::uint8_t {
  send_receive,    ///< one block to one rank, another from one rank
  all_gather,      ///< every rank's block to all
  reduce_scatter,  ///< every rank's sums for the block of each rank, added up, to that rank
};

/// In the place of a rank or of a slot.
inline constexpr int none = -1;

/// One transfer as one rank sees it. Operands and sums have slots of their own, and message matching of their own: what
/// one rank posts before a step, its partners post before the same step, in the same order.
///
/// A collective moves the blocks of all ranks, that of rank r in slot r. Sums are reduced in place: the rank's own slot
/// then holds the sum over all ranks.
struct Transfer {
  Motion motion = Motion::send_receive;
  Cargo cargo = Cargo::kv;
  int sent = none;  ///< the rank whose block is sent
  int to = none;    ///< the rank that receives it
  int from_slot = none;
  int received = none;  ///< the rank whose block is received
  int from = none;      ///< the rank that sends it
  int to_slot = none;
  int posted_before = 0;  ///< step whose tasks hide the transfer; `steps`: no tasks hide it
  int needed_before = 0;  ///< this step, or the end
};

/// The queries of one rank against the keys of one rank.
struct BlockTask {
  int step = 0;
  int queries = none;       ///< the rank whose queries they are
  int keys = none;          ///< the rank whose keys they are
  int operand_slot = none;  ///< slot of the block that is not this rank's own; none: both blocks are this rank's own
  int result_slot = none;   ///< slot for sums that travel; none: they go to this rank's own result
};

/// Adds received sums to local sums.
struct Fold {
  int before = 0;  ///< this step, or the end
  Cargo cargo = Cargo::kv_gradient;
  int block = none;  ///< the rank whose sums they are
  int arrived_slot = none;
  int into_slot = none;         ///< none: this rank's own result
  bool is_overwriting = false;  ///< whether the destination is still uninitialised
};

struct SlotCounts {
  int operands = 0;
  int sums = 0;

  friend bool operator==(const SlotCounts&, const SlotCounts&) = default;
};

struct Plan {
  Cargo operands = Cargo::kv;       ///< which operands travel: keys or queries
  std::vector<Transfer> transfers;  ///< in the order in which they are posted
  std::vector<BlockTask> tasks;     ///< in the order in which they are computed
  std::vector<Fold> folds;
  SlotCounts slots;
  int packed_slot = none;  ///< where the rank's own operands are packed before step 0; none: they do not travel
  int steps = 0;           ///< the last may have no tasks: what is posted before it is hidden by nothing

  /// How operands, or sums, are moved: one way in one plan.
  [[nodiscard]] Motion motion(bool of_sums) const {
    for (const Transfer& transfer : transfers) {
      if (is_sum(transfer.cargo) == of_sums) {
        return transfer.motion;
      }
    }
    return Motion::send_receive;
  }
  /// The rank whose block a task is about: not this rank, unless both are its own.
  [[nodiscard]] int block_of(const BlockTask& task) const { return operands == Cargo::kv ? task.keys : task.queries; }
};

/// The input of a schedule: one pass on one of `ranks` ranks.
struct PlanRequest {
  Cargo operands = Cargo::kv;  ///< what travels: kv or q
  bool has_sums = false;       ///< whether their gradients travel home
  int ranks = 1;
  int rank = 0;

  [[nodiscard]] Cargo sums() const { return gradient_of(operands); }
  /// The task at which this rank meets the block of `origin`.
  [[nodiscard]] BlockTask task(int step, int origin, int operand_slot, int result_slot) const {
    const bool do_keys_travel = operands == Cargo::kv;
    return {.step = step,
            .queries = do_keys_travel ? rank : origin,
            .keys = do_keys_travel ? origin : rank,
            .operand_slot = operand_slot,
            .result_slot = result_slot};
  }
};

/// @param pass  forward or backward, not both
/// @param rotation  what travels in the backward pass
[[nodiscard]] Plan make_plan(Schedule schedule, AttentionPass pass, BackwardRotation rotation, int ranks, int rank);

}  // namespace ringworld
