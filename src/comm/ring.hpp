#pragma once
/// @file  Ranks in a circle, and the transfer of one block to the next of them.
///
///      +---> rank 0 ---> rank 1 ---> ... ---> rank P-1 ---+      every rank sends to the next and receives from the
///      |                                                  |      previous one at the same time: one hop
///      +--------------------------------------------------+

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "comm/communicator.hpp"
#include "device/device.hpp"

namespace ringworld {

/// What a rank sent. A hop is one transfer, its messages as many as the blocks that it sends to others have.
struct Traffic {
  std::int64_t hops = 0;
  std::int64_t bytes = 0;
  std::int64_t messages = 0;

  Traffic& operator+=(const Traffic& more) {
    hops += more.hops;
    bytes += more.bytes;
    messages += more.messages;
    return *this;
  }
  friend bool operator==(const Traffic&, const Traffic&) = default;
};

/// Neighbours in a ring.
class Ring {
 public:
  explicit Ring(Communicator communicator) : communicator_(std::move(communicator)) {}

  [[nodiscard]] const Communicator& communicator() const { return communicator_; }
  [[nodiscard]] int rank() const { return communicator_.rank(); }
  [[nodiscard]] int size() const { return communicator_.size(); }
  [[nodiscard]] int next() const { return (rank() + 1) % size(); }
  [[nodiscard]] int previous() const { return (rank() + size() - 1) % size(); }
  /// Whose block this rank holds after `hops` hops.
  [[nodiscard]] int origin_after(int hops) const { return ((rank() - hops) % size() + size()) % size(); }

 private:
  Communicator communicator_;
};

/// MPI 3.1 counts in `int`: longer blocks travel as several messages of at most this many bytes.
inline constexpr std::int64_t default_message_limit = std::int64_t{1} << 30;

/// Device memory that is staged travels in pieces of this many bytes: long enough for the full bandwidth of a copy, short
/// enough that the first of them is soon on its way.
inline constexpr std::int64_t default_chunk_bytes = std::int64_t{4} << 20;

struct ShiftOptions {
  DeviceKind memory =
      DeviceKind::host;  ///< where the blocks lie; of a GPU they travel as the communicator's transport says
  std::int64_t message_limit = default_message_limit;  ///< bytes of a message of MPI; at most the default
  std::int64_t chunk_bytes = default_chunk_bytes;      ///< of the staged transport, where a chunk is a message
};

/// One hop at a time, not blocking. Has message matching of its own, so that two Shifts of a ring do not queue behind
/// each other.
///
/// A hop of device memory is work in the order of the compute stream, like a kernel: it reads and overwrites what the
/// work enqueued before `start` leaves, and the work enqueued after `wait` sees what it brought.
class Shift {
 public:
  /// Collective over the ring.
  explicit Shift(const Ring& ring, const ShiftOptions& options = {});
  Shift(Shift&&) noexcept;
  Shift& operator=(Shift&&) noexcept;
  ~Shift();

  /// Posts the receive, then the send, and returns. Both spans must stay as they are until the hop has ended.
  /// @pre the hop before has been waited for
  void start(std::span<const std::byte> to_next, std::span<std::byte> from_previous);
  /// Drives the transfer. True when the hop has ended, or none is under way.
  bool test();
  /// Ends the hop: for host memory, blocks until then. For device memory, makes the compute stream wait; the caller blocks
  /// only as long as the transport needs it to drive the hop (nccl: not at all).
  /// @param meanwhile  called again and again while the caller drives this hop, to drive another; may be empty
  void wait(const std::function<void()>& meanwhile = {});

  /// Whether `test` moves a hop along. False where the device does it all by itself (nccl).
  [[nodiscard]] bool needs_driving() const;

  [[nodiscard]] const Traffic& traffic() const;
  void reset_traffic();

  /// What carries a hop; one class a transport.
  class Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringworld
