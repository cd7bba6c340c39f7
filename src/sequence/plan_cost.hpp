#pragma once
/// @file  The cost of plans: bytes and messages sent, memory held, and the balance that a layout can reach. Read off
/// the plans, so that no schedule has formulas of its own.

#include <cstdint>
#include <vector>

#include "comm/ring.hpp"
#include "sequence/partition.hpp"
#include "sequence/plan.hpp"
#include "sequence/traffic.hpp"
#include "sequence/travelling_block.hpp"

namespace ringworld {

/// The rotation that moves fewer bytes: operands and gradients travel equally far. A trimmed ring moves keys alone.
/// Where heads are exchanged, those that are left to a ring count.
[[nodiscard]] BackwardRotation cheaper_rotation(const Schedule& schedule, const AttentionProblem& problem);

/// Bytes of its slot that a message of a piece moves.
[[nodiscard]] ByteRange bytes_of(const AttentionProblem& problem, const Partition& partition, Cargo cargo,
                                 const Piece& piece);
/// Bytes of a slot of the plan.
/// @param cargo  what the slot holds: the plan's operands or sums
/// @param tokens  of the rank that holds most
[[nodiscard]] std::int64_t slot_bytes(const Plan& plan, const AttentionProblem& problem, Cargo cargo,
                                      std::int64_t tokens);

/// Bytes of the fp32 output of this rank's running state in a forward pass, which lies in front of the slots.
/// @param tokens  of the rank that holds most
[[nodiscard]] std::int64_t own_output_bytes(const Plan& plan, const AttentionProblem& problem, std::int64_t tokens);

/// Messages and bytes that this rank sends in one transfer, counted for each receiving rank (see Lane::traffic).
/// @param rank  the rank that executes the plan
/// @param nodes  of each rank (comm/nodes.hpp); empty: bytes between nodes are not counted
[[nodiscard]] Traffic traffic_of(const Transfer& transfer, const AttentionProblem& problem, const Partition& partition,
                                 int rank, const std::vector<int>& nodes = {});
/// Traffic of the whole plan.
[[nodiscard]] SequenceTraffic traffic_of(const Plan& plan, const AttentionProblem& problem, const Partition& partition,
                                         int rank, const std::vector<int>& nodes = {});

/// Messages and bytes that all ranks together send in the given passes, an exchange of heads included.
/// @param partition  of all ranks, cut among as many neighbours as the schedule says
[[nodiscard]] SequenceTraffic planned_traffic(const Schedule& schedule, const AttentionProblem& problem,
                                              const Partition& partition, AttentionPass pass, BackwardRotation rotation,
                                              const std::vector<int>& nodes = {});

/// The memory that attention holds beside the tensors of its caller and its kernel's scratch memory: the larger of
///   forward   running output (D floats a query and head) + operand slots of the plan
///   backward  operand slots + slots of sums
/// and, where heads are exchanged, the memory for that (sequence/exchange_block.hpp).
/// @param tokens  of the rank that holds most (T)
[[nodiscard]] std::int64_t attention_arena_bytes(const Schedule& schedule, const AttentionProblem& problem,
                                                 AttentionPass pass, BackwardRotation rotation, std::int64_t ranks,
                                                 std::int64_t tokens);

/// Bytes that a rank holds at the peak of a pass: q, k, v, out, maximum, sum (+ dout, delta, dq, dk, dv when there is a
/// backward pass), the arena, and the kernel's scratch memory.
/// @param workspace_bytes  of the kernel, independent of T
[[nodiscard]] std::int64_t attention_peak_bytes(const Schedule& schedule, const AttentionProblem& problem,
                                                AttentionPass pass, BackwardRotation rotation, std::int64_t ranks,
                                                std::int64_t tokens, std::int64_t workspace_bytes);

/// Largest possible share of time that ranks compute when they go from step to step in lockstep: all visible pairs,
/// over P times the sum over steps of the busiest rank's pairs. 1 is perfect balance; a ring with the contiguous layout
/// and a causal mask gives (P/2) / (P - 1/2) for long sequences.
[[nodiscard]] double layout_efficiency_bound(const Schedule& schedule, const Partition& partition, bool is_causal);

}  // namespace ringworld
