#pragma once
/// @file  The transfer of one block to another rank, while one comes from a third.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/message_size.hpp"
#include "core/trace.hpp"
#include "device/device.hpp"

namespace ringworld {

/// What a rank sent. A hop is one transfer. A Shift counts the messages of its transport, which cuts long blocks; whoever
/// runs a plan counts a block to another rank once, so that the count is the plan's on any transport.
struct Traffic {
  std::int64_t hops = 0;
  std::int64_t bytes = 0;
  std::int64_t messages = 0;
  std::int64_t bytes_between_nodes = 0;  ///< those of `bytes` that went to ranks of other nodes

  Traffic& operator+=(const Traffic& more) {
    hops += more.hops;
    bytes += more.bytes;
    messages += more.messages;
    bytes_between_nodes += more.bytes_between_nodes;
    return *this;
  }
  friend bool operator==(const Traffic&, const Traffic&) = default;
};

struct ShiftOptions {
  DeviceKind memory =
      DeviceKind::host;  ///< where the blocks lie; of a GPU they travel as the communicator's transport says
  std::int64_t message_limit = default_message_limit;  ///< bytes of a message of MPI; at most the default
  std::int64_t chunk_bytes = default_chunk_bytes;      ///< of the staged transport, where a chunk is a message
};

/// The two ranks that a hop connects this one with.
struct Peers {
  int to = -1;    ///< rank of the communicator that gets this rank's block; -1: nobody
  int from = -1;  ///< rank whose block comes; -1: nobody
};

/// One hop at a time, not blocking: a block to one rank, and a block from another. Has message matching of its own, so
/// that two Shifts between the same ranks do not queue behind each other.
///
/// Hops are matched pair by pair: what rank a sends to rank b first is what b receives from a first. A rank's next hop
/// begins when its hop before has ended, so the hops of several ranks must not wait for each other in a circle.
///
/// A hop of device memory is work in the order of the compute stream, like a kernel: it reads and overwrites what the
/// work enqueued before `start` leaves, and the work enqueued after `wait` sees what it brought.
class Shift {
 public:
  /// Collective over `ranks`.
  explicit Shift(const Communicator& ranks, const ShiftOptions& options = {});
  Shift(Shift&&) noexcept;
  Shift& operator=(Shift&&) noexcept;
  ~Shift();

  /// Posts the receive, then the send, and returns. Both spans must stay as they are until the hop has ended.
  /// @param sent  empty where `peers.to` is nobody     @param received  as long as what `peers.from` sends
  /// @pre the hop before has been waited for
  /// @throws Error when a peer is no rank, or a block has no peer
  void start(const Peers& peers, std::span<const std::byte> sent, std::span<std::byte> received);
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
  [[nodiscard]] int in_job(int rank) const;

  int ranks_;
  std::unique_ptr<Impl> impl_;
  std::vector<int> job_ranks_;  // of each rank, for a trace; empty without one
  TraceFlight flight_;
};

}  // namespace ringworld
