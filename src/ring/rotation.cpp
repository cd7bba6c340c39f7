#include "ring/rotation.hpp"

#include <utility>

#include "perf/clock.hpp"

namespace ringworld {
namespace {

/// The first `bytes` of a buffer that is large enough for any rank's block.
template <class Byte>
std::span<Byte> part(std::span<Byte> buffer, std::int64_t bytes) {
  return buffer.first(static_cast<std::size_t>(bytes));
}

}  // namespace

void rotate(const Ring& ring, Shift& operand_shift, OperandBuffers operands, Shift& gradient_shift,
            const GradientBuffers* gradients, const RotationSteps& steps, const RotationOptions& options) {
  const bool is_transferring = options.mode != RotationMode::compute_only;
  const bool is_computing = options.mode != RotationMode::transfer_only;
  const int ranks = ring.size();
  GradientBuffers sums = gradients != nullptr ? *gradients : GradientBuffers{};

  for (int step = 0; step < ranks; ++step) {
    const int origin = ring.origin_after(step);
    const bool has_operand_hop = step + 1 < ranks && is_transferring;
    const auto held = step == 0 ? std::span<std::byte>{} : part(operands.current, steps.operand_bytes(origin));
    const auto share =
        gradients != nullptr && step > 0 ? part(sums.work, steps.gradient_bytes(origin)) : std::span<std::byte>{};
    if (options.step_seconds != nullptr && (gradients == nullptr || step == 0)) {
      ring.communicator().barrier();
    }
    const double start = now_seconds();

    if (has_operand_hop) {
      operand_shift.start(part(operands.current, steps.operand_bytes(origin)),
                          part(operands.incoming, steps.operand_bytes(ring.origin_after(step + 1))));
    }
    if (is_computing) {
      steps.compute(origin, held, share);
    }
    if (gradients != nullptr && step > 0) {
      gradient_shift.wait();  // the hop of the step before: sums for the block of `origin`
      if (step > 1 && is_computing) {
        steps.add(origin, part(std::span<const std::byte>(sums.incoming), steps.gradient_bytes(origin)), share);
      }
      if (is_transferring) {
        std::swap(sums.work, sums.outgoing);
        gradient_shift.start(share, part(sums.incoming, steps.gradient_bytes(ring.origin_after(step + 1))));
      }
    }
    if (has_operand_hop) {
      operand_shift.wait();
      std::swap(operands.current, operands.incoming);
    }

    if (options.step_seconds != nullptr) {
      options.step_seconds->push_back(now_seconds() - start);
    }
  }

  if (gradients != nullptr && ranks > 1) {
    const double start = now_seconds();
    if (is_transferring) {
      gradient_shift.wait();
    }
    if (is_computing) {
      steps.add(ring.rank(), part(std::span<const std::byte>(sums.incoming), steps.gradient_bytes(ring.rank())), {});
    }
    if (options.step_seconds != nullptr) {
      options.step_seconds->push_back(now_seconds() - start);
    }
  }
}

}  // namespace ringworld
