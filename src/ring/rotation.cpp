#include "ring/rotation.hpp"

#include <utility>

#include "core/activity.hpp"
#include "ring/step_timer.hpp"

namespace ringworld {
namespace {

/// The first `bytes` of a buffer that is large enough for any rank's block.
template <class Byte>
std::span<Byte> part(std::span<Byte> buffer, std::int64_t bytes) {
  return buffer.first(static_cast<std::size_t>(bytes));
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
    }
    if (gradients != nullptr && step > 0) {
      // The hop of the step before: sums for the block of `origin`.
      {
        const WaitPhase wait("waiting for gradient hop {} from rank {}", step - 1, source);
        gradient_shift.wait([&] { operand_shift.test(); });
      }
      if (step > 1 && is_computing) {
        steps.add(origin, part(std::span<const std::byte>(sums.incoming), steps.gradient_bytes(origin)), share);
      }
      if (is_transferring) {
        std::swap(sums.work, sums.outgoing);
        gradient_shift.start(share, part(sums.incoming, steps.gradient_bytes(ring.origin_after(step + 1))));
      }
    }
    if (has_operand_hop) {
      const WaitPhase wait("waiting for hop {} from rank {}", step + 1, source);
      operand_shift.wait([&] { gradient_shift.test(); });
      std::swap(operands.current, operands.incoming);
    }

    timer.end();
  }

  if (gradients != nullptr && ranks > 1) {
    timer.begin();
    if (is_transferring) {
      const WaitPhase wait("waiting for gradient hop {} from rank {}", ranks - 1, source);
      gradient_shift.wait();
    }
    if (is_computing) {
      steps.add(ring.rank(), part(std::span<const std::byte>(sums.incoming), steps.gradient_bytes(ring.rank())), {});
    }
    timer.end();
  }
  timer.finish();
}

}  // namespace ringworld
