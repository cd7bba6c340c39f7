#include "ring/rotation.hpp"

#include <fmt/format.h>

#include <utility>

#include "core/activity.hpp"
#include "device/device_activity.hpp"
#include "ring/step_timer.hpp"

namespace ringworld {
namespace {

/// The first `bytes` of a buffer that is large enough for any rank's block.
template <class Byte>
std::span<Byte> part(std::span<Byte> buffer, std::int64_t bytes) {
  return buffer.first(static_cast<std::size_t>(bytes));
}

/// Names what a rotation enqueues, where a device runs it later.
class StepMarks {
 public:
  StepMarks(Device& device, int ranks, int source) : device_(device), ranks_(ranks), source_(source) {}

  void computed(int step) const { mark("ring step {} of {} on the GPU", step + 1, ranks_, false); }
  void added(int step) const { mark("gradient sums of ring step {} of {} on the GPU", step + 1, ranks_, false); }
  void received(int hop) const { mark("hop {} from rank {} on the GPU", hop, source_, true); }
  void received_gradients(int hop) const { mark("gradient hop {} from rank {} on the GPU", hop, source_, true); }

 private:
  void mark(fmt::string_view format, int first, int second, bool is_waiting) const {
    if (device_.kind() != DeviceKind::host) {
      mark_device_work(device_,
                       {.text = fmt::vformat(format, fmt::make_format_args(first, second)), .is_waiting = is_waiting});
    }
  }

  Device& device_;
  int ranks_;
  int source_;
};

/// Waits for a hop. Where that is for this rank's own device, the watchdog is told so.
void wait_for_hop(Shift& shift, Shift* other) {
  DeviceActivity activity;
  shift.wait([&] {
    activity.look();
    if (other != nullptr) {
      other->test();
    }
  });
}

}  // namespace

void rotate(Device& device, const Ring& ring, Shift& operand_shift, OperandBuffers operands, Shift& gradient_shift,
            const GradientBuffers* gradients, const RotationSteps& steps, const RotationOptions& options) {
  const bool is_transferring = options.mode != RotationMode::compute_only;
  const bool is_computing = options.mode != RotationMode::transfer_only;
  const int ranks = ring.size();
  GradientBuffers sums = gradients != nullptr ? *gradients : GradientBuffers{};
  StepTimer timer(device, options.step_seconds);
  const int source = ring.communicator().rank_in_job(ring.previous());
  const StepMarks marks(device, ranks, source);

  for (int step = 0; step < ranks; ++step) {
    const Phase phase("ring step {} of {}", step + 1, ranks);
    const int origin = ring.origin_after(step);
    const bool has_operand_hop = step + 1 < ranks && is_transferring;
    const auto held = step == 0 ? std::span<std::byte>{} : part(operands.current, steps.operand_bytes(origin));
    const auto share =
        gradients != nullptr && step > 0 ? part(sums.work, steps.gradient_bytes(origin)) : std::span<std::byte>{};
    if (timer.is_timing() && (gradients == nullptr || step == 0)) {
      device.compute_stream().synchronize();
      ring.communicator().barrier();
    }
    timer.begin();

    if (has_operand_hop) {
      operand_shift.start(part(operands.current, steps.operand_bytes(origin)),
                          part(operands.incoming, steps.operand_bytes(ring.origin_after(step + 1))));
    }
    if (is_computing) {
      steps.compute(origin, held, share);
      marks.computed(step);
    }
    if (gradients != nullptr && step > 0) {
      // The hop of the step before: sums for the block of `origin`.
      {
        const WaitPhase wait("waiting for gradient hop {} from rank {}", step - 1, source);
        wait_for_hop(gradient_shift, &operand_shift);
      }
      if (step > 1 && is_transferring) {
        marks.received_gradients(step - 1);
      }
      if (step > 1 && is_computing) {
        steps.add(origin, part(std::span<const std::byte>(sums.incoming), steps.gradient_bytes(origin)), share);
        marks.added(step);
      }
      if (is_transferring) {
        std::swap(sums.work, sums.outgoing);
        gradient_shift.start(share, part(sums.incoming, steps.gradient_bytes(ring.origin_after(step + 1))));
      }
    }
    if (has_operand_hop) {
      const WaitPhase wait("waiting for hop {} from rank {}", step + 1, source);
      wait_for_hop(operand_shift, &gradient_shift);
      marks.received(step + 1);
      std::swap(operands.current, operands.incoming);
    }

    timer.end();
  }

  if (gradients != nullptr && ranks > 1) {
    timer.begin();
    if (is_transferring) {
      const WaitPhase wait("waiting for gradient hop {} from rank {}", ranks - 1, source);
      wait_for_hop(gradient_shift, nullptr);
      marks.received_gradients(ranks - 1);
    }
    if (is_computing) {
      steps.add(ring.rank(), part(std::span<const std::byte>(sums.incoming), steps.gradient_bytes(ring.rank())), {});
      marks.added(ranks - 1);
    }
    timer.end();
  }
  timer.finish();
}

}  // namespace ringworld
