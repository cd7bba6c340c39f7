#pragma once
/// @file  The ring loop.
///
///   step            0           1           2           P-1
///   compute         own block   block of    block of    block of      every rank folds each block once
///                               rank-1      rank-2      rank+1
///   operands        ====hop====>====hop====>====hop====>              P - 1 hops, each behind the compute of its step
///   gradients                               ====hop====>====hop====>  P - 1 hops, each behind the compute of the next
///                                                                     step; the last, behind none, comes home
///
/// A hop is posted (receive first, then send) before the compute that hides it, driven between tiles by the compute's
/// progress callback, and waited for after it. The block of a rank's own tokens never needs the ring, so its gradients
/// start at step 1 and need no hop more than the operands.
///
/// On a GPU the same loop enqueues: compute goes to the compute stream, and hops order themselves behind and before it
/// (comm/ring.hpp), so that two buffers are enough there, too: a hop overwrites the block of the step before only when
/// that has been computed with.

#include <cstdint>
#include <functional>
#include <vector>

#include "comm/ring.hpp"
#include "device/device.hpp"

namespace ringworld {

/// What a rotation does; the last two measure its halves.
enum class RotationMode : std::uint8_t {
  compute_and_transfer,
  compute_only,   ///< the same work on whatever lies in the buffers, no messages
  transfer_only,  ///< the same messages, no work
};

/// The memory that operands travel through: `current` holds the block being computed (and sent on), `incoming` the
/// next one.
struct OperandBuffers {
  std::span<std::byte> current;
  std::span<std::byte> incoming;
};

/// The memory that gradient sums travel through.
struct GradientBuffers {
  std::span<std::byte> work;      ///< sums of the block being computed
  std::span<std::byte> outgoing;  ///< sums on their way to the next rank
  std::span<std::byte> incoming;  ///< sums from the previous rank
};

struct RotationOptions {
  RotationMode mode = RotationMode::compute_and_transfer;
  /// When set, the seconds of each step are appended, and with gradients those of the last hop home; on a GPU by events of
  /// its compute stream, which the call then waits for. Without gradients ranks start every step together, so that each
  /// hop is measured alone; a gradient hop spans two steps, which a barrier between them would drive for nothing.
  std::vector<double>* step_seconds = nullptr;
};

/// One rotation's callbacks. `origin` is the rank whose block is at hand.
struct RotationSteps {
  /// Bytes of the operands, and of the gradients, of `origin`.
  std::function<std::int64_t(int origin)> operand_bytes;
  std::function<std::int64_t(int origin)> gradient_bytes;
  /// Computes with the block of `origin`; `operands` is empty for the rank's own (step 0). With gradients, writes this
  /// rank's share of the sums to `sums`, which is empty at step 0: those go where they belong.
  std::function<void(int origin, std::span<std::byte> operands, std::span<std::byte> sums)> compute;
  /// Adds the sums for the block of `origin` that came from the previous rank to `sums`. This rank's own, complete but
  /// for step 0, come last and go where they belong: `sums` is then empty.
  std::function<void(int origin, std::span<const std::byte> from_previous, std::span<std::byte> sums)> add;
};

/// Rotates operands round the ring, and gradients behind them when `gradients` is not null. Collective over `ring`.
/// @param device  of the memory, whose compute stream the callbacks enqueue on. Host: blocks until all is done
void rotate(Device& device, const Ring& ring, Shift& operand_shift, OperandBuffers operands, Shift& gradient_shift,
            const GradientBuffers* gradients, const RotationSteps& steps, const RotationOptions& options);

}  // namespace ringworld
