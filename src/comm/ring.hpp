#pragma once
/// @file  Ranks in a circle, and the transfer of one block to the next of them.
///
///      +---> rank 0 ---> rank 1 ---> ... ---> rank P-1 ---+      every rank sends to the next and receives from the
///      |                                                  |      previous one at the same time: one hop
///      +--------------------------------------------------+

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "comm/communicator.hpp"

namespace ringworld {

/// What a rank sent through a Shift since it was made or reset.
struct Traffic {
  std::int64_t hops = 0;
  std::int64_t bytes = 0;
  std::int64_t messages = 0;
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

/// One hop at a time, not blocking. Has message matching of its own, so that two Shifts of a ring do not queue behind
/// each other.
class Shift {
 public:
  /// MPI 3.1 counts in `int`: longer blocks travel as several messages of at most this many bytes.
  static constexpr std::int64_t default_message_limit = std::int64_t{1} << 30;

  /// Collective over the ring.
  explicit Shift(const Ring& ring, std::int64_t message_limit = default_message_limit);
  Shift(Shift&&) noexcept;
  Shift& operator=(Shift&&) noexcept;
  ~Shift();

  /// Posts the receive, then the send, and returns. Both spans must stay as they are until the hop has ended.
  /// @pre the hop before has ended
  void start(std::span<const std::byte> to_next, std::span<std::byte> from_previous);
  /// Drives the transfer. True when the hop has ended, or none is under way.
  bool test();
  /// Blocks until the hop has ended.
  void wait();

  [[nodiscard]] const Traffic& traffic() const;
  void reset_traffic();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringworld
