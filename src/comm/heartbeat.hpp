#pragma once
/// @file  A side channel between the ranks of a job, for messages that must get through while MPI is blocked: datagrams
/// to and from rank 0, sent and taken on a thread of their own.
///
///   rank 1 --beat-->            --pulse, verdict--> rank 1
///   rank 2 --beat-->  rank 0    --pulse, verdict--> rank 2      a lost datagram is made good by the next
///   rank 3 --beat-->            --pulse, verdict--> rank 3
///
/// MPI does not serve here: a rank that waits in it cannot speak, and this program's MPI calls belong to one thread.
/// Ranks of one node use its loopback device; over several nodes, IPv4 addresses of rank 0's node are tried all
/// together. Where none of them can be reached (a firewall), nothing is heard, and who listens has to make do without.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "comm/communicator.hpp"
#include "core/activity.hpp"

namespace ringworld {

enum class HeartbeatKind : std::uint8_t {
  beat,     ///< to rank 0: what a rank is doing
  pulse,    ///< from rank 0: it is alive
  verdict,  ///< from rank 0: the job ends; the text says why
  farewell  ///< a rank has ended normally
};

struct Heartbeat {
  HeartbeatKind kind = HeartbeatKind::beat;
  int rank = 0;       ///< the sender
  Activity activity;  ///< the phase, or the text of a verdict, is cut at 400 bytes
};

class HeartbeatChannel {
 public:
  /// Opens this rank's end. Collective over `world`. A node that allows no sockets has a deaf channel.
  explicit HeartbeatChannel(const Communicator& world);
  HeartbeatChannel(const HeartbeatChannel&) = delete;
  HeartbeatChannel& operator=(const HeartbeatChannel&) = delete;
  ~HeartbeatChannel();

  /// Sends to rank 0; on rank 0, to every rank that it has heard of. Never blocks.
  void send(const Heartbeat& heartbeat);
  /// Ends a `receive` under way on another thread, or the next one.
  void wake();
  /// The next that has come, within `seconds`; nothing when none came.
  [[nodiscard]] std::optional<Heartbeat> receive(double seconds);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ringworld
