#include "sequence/executor.hpp"

#include <fmt/format.h>

#include <string>

#include "core/activity.hpp"
#include "device/device_activity.hpp"
#include "sequence/step_timer.hpp"

namespace ringworld {
namespace {

/// Runs one plan once.
class Executor {
 public:
  Executor(const Plan& plan, const PlanGround& ground, const PlanWork& work, const PassOptions& options)
      : plan_(plan),
        ground_(ground),
        work_(work),
        is_transferring_(options.mode != PassMode::compute_only),
        is_computing_(options.mode != PassMode::transfer_only),
        timer_(ground.device, options.step_seconds) {}

  void run() {
    for (int step = 0; step < plan_.steps; ++step) {
      const Phase phase = Phase::named(fmt::format("{} step {} of {}", ground_.schedule, step + 1, plan_.steps));
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
  /// When each step is timed alone, starts all ranks together: a slow rank must not be mistaken for a slow transfer.
  void start_together(int step) {
    if (timer_.is_timing() && (plan_.slots.sums == 0 || step == 0)) {
      ground_.device.compute_stream().synchronize();
      ground_.ranks.barrier();
    }
  }

  /// Posts the transfers of sums, or of operands, that the tasks of `step` hide.
  void post(bool of_sums, int step) {
    for (const Transfer& transfer : plan_.transfers) {
      if (is_transferring_ && is_sum(transfer.cargo) == of_sums && transfer.posted_before == step) {
        lane(of_sums).start(transfer, slots(of_sums),
                            [&](int rank) { return work_.block_bytes(transfer.cargo, rank); });
      }
    }
  }

  void compute(int step) {
    for (const BlockTask& task : plan_.tasks) {
      if (is_computing_ && task.step == step) {
        const int rank = plan_.block_of(task);
        work_.compute(task, block(false, task.operand_slot, rank), block(true, task.result_slot, rank));
        mark(false,
             [&] { return fmt::format("{} step {} of {} on the GPU", ground_.schedule, step + 1, plan_.steps); });
      }
    }
  }

  void fold(int before) {
    for (const Fold& fold : plan_.folds) {
      if (is_computing_ && fold.before == before) {
        work_.fold(fold, block(true, fold.arrived_slot, fold.block), block(true, fold.into_slot, fold.block));
        mark(false, [&] {
          return fmt::format("gradient sums of {} step {} of {} on the GPU", ground_.schedule, before, plan_.steps);
        });
      }
    }
  }

  /// Waits for the transfers of sums, or of operands, that `step` needs.
  void receive(bool of_sums, int step) {
    for (const Transfer& transfer : plan_.transfers) {
      if (is_transferring_ && is_sum(transfer.cargo) == of_sums && transfer.needed_before == step) {
        const std::string name = describe(transfer);
        const Phase wait({.text = fmt::format("waiting for {}", name), .is_waiting = true});
        DeviceActivity activity;
        lane(of_sums).wait([&] {
          activity.sample();
          lane(!of_sums).test();
        });
        mark(true, [&] { return fmt::format("{} on the GPU", name); });
      }
    }
  }

  [[nodiscard]] std::string describe(const Transfer& transfer) const {
    const std::string_view kind = is_sum(transfer.cargo) ? "gradient " : "";
    switch (transfer.motion) {
      case Motion::send_receive:
        return fmt::format("{}hop {} from rank {}", kind, transfer.posted_before + (is_sum(transfer.cargo) ? -1 : 1),
                           ground_.ranks.rank_in_job(transfer.from));
      case Motion::all_gather:
        return fmt::format("the {}blocks of all ranks", kind);
      case Motion::reduce_scatter:
        return fmt::format("the {}sums of all ranks", kind);
    }
    return {};
  }

  /// Names what was enqueued, where a device runs it later.
  /// @param text  makes the name, which a host, where work has ended by then, has no use for
  template <class Text>
  void mark(bool is_waiting, const Text& text) const {
    if (ground_.device.kind() != DeviceKind::host) {
      mark_device_work(ground_.device, {.text = text(), .is_waiting = is_waiting});
    }
  }

  [[nodiscard]] Lane& lane(bool of_sums) const { return of_sums ? ground_.sum_lane : ground_.operand_lane; }
  [[nodiscard]] const Slots& slots(bool of_sums) const { return of_sums ? ground_.sums : ground_.operands; }

  /// The block of `rank` in a slot; empty where there is no slot.
  [[nodiscard]] std::span<std::byte> block(bool of_sums, int slot, int rank) const {
    const Cargo cargo = of_sums ? gradient_of(plan_.operands) : plan_.operands;
    return slot == none ? std::span<std::byte>{} : slots(of_sums).block(slot, work_.block_bytes(cargo, rank));
  }

  const Plan& plan_;
  const PlanGround& ground_;
  const PlanWork& work_;
  bool is_transferring_;
  bool is_computing_;
  StepTimer timer_;
};

}  // namespace

void run_plan(const Plan& plan, const PlanGround& ground, const PlanWork& work, const PassOptions& options) {
  Executor(plan, ground, work, options).run();
}

}  // namespace ringworld
