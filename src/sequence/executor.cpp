#include "sequence/executor.hpp"

#include <fmt/format.h>

#include <string>

#include "core/activity.hpp"
#include "core/error.hpp"
#include "core/trace.hpp"
#include "device/device_activity.hpp"
#include "sequence/step_timer.hpp"

namespace ringworld {
namespace {

/// Runs one plan once.
class Executor {
 public:
  Executor(const PlanSteps& steps, const PlanGround& ground, PlanWork& work, const PassOptions& options)
      : steps_(steps),
        plan_(steps.plan()),
        ground_(ground),
        work_(work),
        is_transferring_(options.mode != PassMode::compute_only),
        is_computing_(options.mode != PassMode::transfer_only),
        timer_(ground.device, options.step_seconds) {}

  void run() {
    for (int step = 0; step < plan_.steps; ++step) {
      const Phase phase = Phase::named(fmt::format("{} step {} of {}", ground_.schedule, step + 1, plan_.steps));
      pack(step);
      start_together(step);
      timer_.begin();
      post(false, step);
      compute(step);
      receive(true, step + 1);
      fold(step + 1);
      post(true, step + 1);
      receive(false, step + 1);
      timer_.end();
    }
    timer_.finish();
  }

 private:
  void pack(int step) {
    for (const Packing* packing : steps_.at(step).packed) {
      const TraceRegion region("pack");
      work_.pack(packing->piece, ground_.operands.slot(packing->slot));
    }
  }

  /// When each step is timed alone, starts all ranks together: a slow rank must not be mistaken for a slow transfer. Not
  /// while a transfer is on its way over several steps: ranks that wait for each other would hide it in no step's time.
  void start_together(int step) {
    if (timer_.is_timing() && ((plan_.slots.sums == 0 && !steps_.at(step).is_crossed) || step == 0)) {
      ground_.device.compute_stream().synchronize();
      ground_.ranks.barrier();
    }
  }

  /// Posts the transfers of sums, or of operands, that the tasks of `step` hide.
  void post(bool of_sums, int step) {
    if (!is_transferring_) {
      return;
    }
    for (const Transfer* transfer : steps_.at(step).posted[of_sums ? 1 : 0]) {
      ground_.lanes.lane(of_sums, transfer->lane)
          .start(*transfer, of_sums ? ground_.sums : ground_.operands, ground_.bytes);
    }
  }

  void compute(int step) {
    if (!is_computing_) {
      return;
    }
    for (const BlockTask* task : steps_.at(step).tasks) {
      const TraceRegion region("compute");
      work_.compute(*task, operands(task->operand_slot), sums(task->result_slot));
      mark(false, [&] { return fmt::format("{} step {} of {} on the GPU", ground_.schedule, step + 1, plan_.steps); });
    }
  }

  void fold(int before) {
    if (!is_computing_) {
      return;
    }
    for (const Fold* fold : steps_.at(before).folds) {
      const TraceRegion region("fold sums");
      work_.fold(*fold, sums(fold->arrived_slot), sums(fold->into_slot));
      mark(false,
           [&] { return fmt::format("sums of {} step {} of {} on the GPU", ground_.schedule, before, plan_.steps); });
    }
  }

  /// Waits for the transfers of sums, or of operands, that `step` needs.
  void receive(bool of_sums, int step) {
    if (!is_transferring_) {
      return;
    }
    for (const Transfer* transfer : steps_.at(step).needed[of_sums ? 1 : 0]) {
      const std::string name = describe(*transfer);
      const Phase wait({.text = fmt::format("waiting for {}", name), .is_waiting = true});
      DeviceActivity activity;
      ground_.lanes.lane(of_sums, transfer->lane).wait([&] {
        activity.sample();
        ground_.lanes.test();
      });
      mark(true, [&] { return fmt::format("{} on the GPU", name); });
    }
  }

  [[nodiscard]] std::string describe(const Transfer& transfer) const {
    const bool of_sums = is_sum(transfer.cargo);
    const std::string_view kind = !of_sums ? "" : transfer.cargo == Cargo::state ? "state " : "gradient ";
    const auto named = [&](int rank) { return ground_.ranks.rank_in_job(rank); };
    switch (transfer.motion) {
      case Motion::send_receive: {
        const int hop = transfer.posted_before + (of_sums ? -1 : 1);
        return transfer.from != none ? fmt::format("{}hop {} from rank {}", kind, hop, named(transfer.from))
                                     : fmt::format("{}hop {} to rank {}", kind, hop, named(transfer.to));
      }
      case Motion::all_gather:
        return fmt::format("the {}blocks of all ranks", kind);
      case Motion::reduce_scatter:
        return fmt::format("the {}sums of all ranks", kind);
      case Motion::broadcast:
        return fmt::format("the block of rank {}", named(transfer.sent.origin));
      case Motion::reduce:
        return fmt::format("the sums of all ranks for rank {}", named(transfer.sent.origin));
      case Motion::reduce_maximum:
        return fmt::format("the maxima of all ranks for rank {}", named(transfer.sent.origin));
    }
    return {};
  }

  /// Names what was enqueued, where a device runs it later.
  /// @param text  makes the name, for which there is no use where work has ended by then
  template <class Text>
  void mark(bool is_waiting, const Text& text) const {
    if (!works_in_calls(ground_.device.kind())) {
      mark_device_work(ground_.device, {.text = text(), .is_waiting = is_waiting});
    }
  }

  [[nodiscard]] std::byte* operands(int slot) const { return slot == none ? nullptr : ground_.operands.slot(slot); }
  [[nodiscard]] std::byte* sums(int slot) const { return slot == none ? nullptr : ground_.sums.slot(slot); }

  const PlanSteps& steps_;
  const Plan& plan_;
  const PlanGround& ground_;
  PlanWork& work_;
  bool is_transferring_;
  bool is_computing_;
  StepTimer timer_;
};

std::size_t index_of(LaneName name) { return static_cast<std::size_t>(name); }

}  // namespace

void Lanes::add(const Communicator& ranks, const ShiftOptions& options, const Plan& plan,
                const std::vector<int>& nodes) {
  for (const PlannedLane& planned : plan.lanes) {
    auto& place = lanes_[planned.of_sums ? 1 : 0][index_of(planned.name)];
    if (!place.has_value()) {
      place.emplace(ranks, options, planned.name, nodes);
    }
  }
}

Lane& Lanes::lane(bool of_sums, LaneName name) {
  auto& place = lanes_[of_sums ? 1 : 0][index_of(name)];
  require(place.has_value(), "a plan uses a lane that it does not list");
  return *place;
}

template <class Function>
void Lanes::each(Function&& function) {
  for (auto& kind : lanes_) {
    for (auto& lane : kind) {
      if (lane.has_value()) {
        function(*lane);
      }
    }
  }
}

void Lanes::test() {
  each([](Lane& lane) { lane.test(); });
}

bool Lanes::need_driving() const {
  bool need = false;
  for (const auto& kind : lanes_) {
    for (const auto& lane : kind) {
      need = need || (lane.has_value() && lane->needs_driving());
    }
  }
  return need;
}

Traffic Lanes::traffic(bool of_sums) const {
  Traffic all;
  for (const auto& lane : lanes_[of_sums ? 1 : 0]) {
    if (lane.has_value()) {
      all += lane->traffic();
    }
  }
  return all;
}

void Lanes::reset_traffic() {
  each([](Lane& lane) { lane.reset_traffic(); });
}

PlanSteps::PlanSteps(Plan plan) : plan_(std::make_unique<const Plan>(std::move(plan))) {
  boundaries_.resize(static_cast<std::size_t>(plan_->steps) + 1);
  const auto at = [&](int boundary) -> Boundary& { return boundaries_.at(static_cast<std::size_t>(boundary)); };
  for (const Packing& packing : plan_->packings) {
    at(packing.before).packed.push_back(&packing);
  }
  for (const Transfer& transfer : plan_->transfers) {
    const std::size_t kind = is_sum(transfer.cargo) ? 1 : 0;
    at(transfer.posted_before).posted[kind].push_back(&transfer);
    at(transfer.needed_before).needed[kind].push_back(&transfer);
    for (int boundary = transfer.posted_before + 1; boundary < transfer.needed_before; ++boundary) {
      at(boundary).is_crossed = true;
    }
  }
  for (const BlockTask& task : plan_->tasks) {
    at(task.step).tasks.push_back(&task);
  }
  for (const Fold& fold : plan_->folds) {
    at(fold.before).folds.push_back(&fold);
  }
}

void run_plan(const PlanSteps& plan, const PlanGround& ground, PlanWork& work, const PassOptions& options) {
  Executor(plan, ground, work, options).run();
}

}  // namespace ringworld
