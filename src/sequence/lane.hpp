#pragma once
/// @file  Transfers of one kind of blocks, operands or sums. At most one of them is pending at a time.

#include <functional>
#include <optional>
#include <span>

#include "comm/collectives.hpp"
#include "comm/ring.hpp"
#include "sequence/plan.hpp"

namespace ringworld {

/// The slots of one kind: equally large, one after another. A block fills as much of its slot as it needs.
struct Slots {
  std::byte* memory = nullptr;
  std::int64_t slot_bytes = 0;

  /// @param bytes  of the block
  [[nodiscard]] std::span<std::byte> block(int slot, std::int64_t bytes) const {
    return {memory + slot * slot_bytes, static_cast<std::size_t>(bytes)};
  }
};

/// Bytes of the block of a rank.
using BlockBytes = std::function<std::int64_t(int rank)>;

/// Carries the transfers of a plan. Has message matching of its own.
class Lane {
 public:
  /// Collective over `ranks`.
  /// @param motion  of all transfers that it will carry, but for all_gather and reduce_scatter, which go together
  Lane(const Communicator& ranks, const ShiftOptions& options, Motion motion);

  /// Posts the transfer and returns. The slots must stay as they are until it has ended.
  /// @pre the transfer before has been waited for
  void start(const Transfer& transfer, const Slots& slots, const BlockBytes& bytes);
  /// Makes progress on the pending transfer.
  void test();
  /// Ends it: for host memory, blocks until then; for device memory, makes the compute stream wait (comm/ring.hpp).
  /// @param meanwhile  called again and again while the caller drives it; may be empty
  void wait(const std::function<void()>& meanwhile);

  /// Whether `test` moves transfers along.
  [[nodiscard]] bool needs_driving() const;
  /// What this rank sent since the lane was made or reset. A collective counts the least that must leave the rank with
  /// any library: a gathered block once to each other rank, and the sums for each other rank once.
  [[nodiscard]] const Traffic& traffic() const;
  void reset_traffic();

 private:
  void start_collective(const Transfer& transfer, const Slots& slots, const BlockBytes& bytes);

  Ring ring_;  // of collectives, with message matching of its own
  DeviceKind memory_;
  std::optional<Shift> shift_;  // of hops
  PendingCollective collective_;
  Traffic traffic_;  // of collectives
};

}  // namespace ringworld
