#pragma once
/// @file  Runs the plan of a pass, for any schedule.
///
///   step           | post operands |  compute  | wait for sums, fold, send sums on | wait for operands |
///   operands         ==========================================================================>
///   sums           ======== of the step before ======>               ======== hidden by the next step ...
///
/// A transfer is posted (receive first, then send) before the tasks that hide it, driven between tiles by their
/// progress callback, and waited for after them. Sums that arrived are folded and sent on before anything else is
/// waited for: the next rank waits for them longest.
///
/// On a GPU the same loop enqueues: compute goes to the compute stream, and transfers order themselves behind and
/// before it (comm/ring.hpp), so that no slot is written before what reads it has run.

#include <functional>
#include <span>
#include <string_view>

#include "comm/communicator.hpp"
#include "device/device.hpp"
#include "sequence/lane.hpp"
#include "sequence/pass_options.hpp"
#include "sequence/plan.hpp"

namespace ringworld {

/// The resources that a plan runs on. `device` owns the memory of the slots.
struct PlanGround {
  Device& device;
  const Communicator& ranks;
  std::string_view schedule;  ///< shown to users in the status of a rank
  Lane& operand_lane;
  Lane& sum_lane;
  Slots operands;
  Slots sums;
};

/// Callbacks that compute on the content of the blocks.
struct PlanWork {
  /// Bytes of a rank's block.
  std::function<std::int64_t(Cargo cargo, int rank)> block_bytes;
  /// Computes one task. `operands` is the visiting block, empty when there is none. Writes the sums that travel to
  /// `sums`, which is empty when they go to this rank's own result.
  std::function<void(const BlockTask& task, std::span<std::byte> operands, std::span<std::byte> sums)> compute;
  /// Adds `arrived` to `into`, which is empty for this rank's own result.
  std::function<void(const Fold& fold, std::span<const std::byte> arrived, std::span<std::byte> into)> fold;
};

/// Collective over the ranks. On the host, blocks until all is done; on a GPU, see comm/ring.hpp.
void run_plan(const Plan& plan, const PlanGround& ground, const PlanWork& work, const PassOptions& options);

}  // namespace ringworld
