#pragma once
/// @file  Transfers of one lane of a plan: hops, or collectives. At most one of them is pending at a time.

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "comm/collectives.hpp"
#include "comm/ring.hpp"
#include "sequence/plan.hpp"
#include "sequence/travelling_block.hpp"

namespace ringworld {

/// The slots of one kind: equally large, one after another. A piece fills as much of its slot as it needs.
struct Slots {
  std::byte* memory = nullptr;
  std::int64_t slot_bytes = 0;

  [[nodiscard]] std::byte* slot(int number) const { return memory + number * slot_bytes; }
  [[nodiscard]] std::span<std::byte> part(int number, const ByteRange& range) const {
    return {slot(number) + range.begin, static_cast<std::size_t>(range.count)};
  }
};

/// The bytes of its slot that a message of a piece moves.
using PieceBytes = std::function<ByteRange(Cargo cargo, const Piece& piece)>;

/// Carries the transfers of one lane of a plan. Has message matching of its own.
class Lane {
 public:
  /// Collective over `ranks`.
  /// @param nodes  of each rank (comm/nodes.hpp)
  Lane(const Communicator& ranks, const ShiftOptions& options, LaneName name, std::vector<int> nodes);

  /// Posts the transfer and returns. The slots must stay as they are until it has ended.
  /// @pre the transfer before has been waited for
  void start(const Transfer& transfer, const Slots& slots, const PieceBytes& bytes);
  /// Makes progress on the pending transfer.
  void test();
  /// Ends it: for host memory, blocks until then; for device memory, makes the compute stream wait (comm/ring.hpp).
  /// @param meanwhile  called again and again while the caller drives it; may be empty
  void wait(const std::function<void()>& meanwhile);

  /// Whether `test` moves transfers along.
  [[nodiscard]] bool needs_driving() const;
  /// What this rank sent since the lane was made or reset. A collective counts the least that must leave the rank with
  /// any library: a gathered or broadcast block once to each other rank, and sums once to their owner. What all get
  /// back from a reduction comes from its owner.
  [[nodiscard]] const Traffic& traffic() const { return traffic_; }
  void reset_traffic();

 private:
  void start_hop(const Transfer& transfer, const Slots& slots, const PieceBytes& bytes);
  void start_collective(const Transfer& transfer, const Slots& slots, const PieceBytes& bytes);
  [[nodiscard]] RankBlocks blocks_of(const Transfer& transfer, const Slots& slots, const PieceBytes& bytes) const;
  void count(std::int64_t bytes, int to);
  void count_collective(const Transfer& transfer, const PieceBytes& bytes);

  Communicator ranks_;  // of collectives, with message matching of its own
  DeviceKind memory_;
  std::vector<int> nodes_;
  std::optional<Shift> shift_;  // of hops
  PendingCollective collective_;
  Traffic traffic_;
};

}  // namespace ringworld
