#pragma once
/// @file  Runs the plan of a pass, for any schedule.
///
///   step           | pack, post operands |  compute  | wait for sums, fold, send sums on | wait for operands |
///   operands               ====================================================================>
///   sums           ======== of the step before ======>               ======== hidden by the next step ...
///
/// A transfer is posted (receive first, then send) before the tasks that hide it, driven between tiles by their
/// progress callback, and waited for after them. Sums that arrived are folded and sent on before anything else is
/// waited for: the next rank waits for them longest.
///
/// On a GPU the same loop enqueues: compute goes to the compute stream, and transfers order themselves behind and
/// before it (comm/ring.hpp), so that no slot is written before what reads it has run.

#include <array>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "comm/communicator.hpp"
#include "device/device.hpp"
#include "sequence/lane.hpp"
#include "sequence/pass_options.hpp"
#include "sequence/plan.hpp"

namespace ringworld {

/// The lanes of one or more plans.
class Lanes {
 public:
  /// Makes the lanes of these plans that are not there yet. Collective over `ranks`.
  void add(const Communicator& ranks, const ShiftOptions& options, const Plan& plan, const std::vector<int>& nodes);

  /// @pre some plan has it
  [[nodiscard]] Lane& lane(bool of_sums, LaneName name);
  /// Makes progress on what is pending.
  void test();
  [[nodiscard]] bool need_driving() const;
  /// Sent since the last reset, over all lanes of sums, or of operands.
  [[nodiscard]] Traffic traffic(bool of_sums) const;
  void reset_traffic();

 private:
  template <class Function>
  void each(Function&& function);

  std::array<std::array<std::optional<Lane>, lane_name_count>, 2> lanes_;  // [of sums][name]
};

/// A plan with what happens at each boundary looked up.
class PlanSteps {
 public:
  explicit PlanSteps(Plan plan);

  struct Boundary {
    std::vector<const Packing*> packed;
    std::array<std::vector<const Transfer*>, 2> posted;  ///< [of sums]
    std::array<std::vector<const Transfer*>, 2> needed;  ///< [of sums]
    std::vector<const Fold*> folds;
    std::vector<const BlockTask*> tasks;  ///< of the step behind the boundary
    bool is_crossed = false;              ///< whether a transfer is on its way from an earlier step to a later one
  };
  [[nodiscard]] const Plan& plan() const { return *plan_; }
  [[nodiscard]] const Boundary& at(int boundary) const { return boundaries_[static_cast<std::size_t>(boundary)]; }

 private:
  std::unique_ptr<const Plan> plan_;  // where it stays, whatever moves
  std::vector<Boundary> boundaries_;  // of each step, and the end
};

/// What is done with the content of slots.
class PlanWork {
 public:
  virtual ~PlanWork() = default;
  virtual void pack(const Piece& piece, std::byte* slot) = 0;
  /// Computes one task.
  /// @param operands  the slot of the visiting piece; null when both pieces are the rank's own
  /// @param sums  the slot for sums that travel; null when they go to the rank's own result
  virtual void compute(const BlockTask& task, std::byte* operands, std::byte* sums) = 0;
  /// @param into  null for the rank's own result
  virtual void fold(const Fold& fold, std::byte* arrived, std::byte* into) = 0;
};

/// The resources that a plan runs on. `device` owns the memory of the slots.
struct PlanGround {
  Device& device;
  const Communicator& ranks;
  std::string_view schedule;  ///< shown to users in the status of a rank
  Lanes& lanes;
  PieceBytes bytes;
  Slots operands;
  Slots sums;
};

/// Collective over the ranks. On the host, blocks until all is done; on a GPU, see comm/ring.hpp.
void run_plan(const PlanSteps& plan, const PlanGround& ground, PlanWork& work, const PassOptions& options);

}  // namespace ringworld
