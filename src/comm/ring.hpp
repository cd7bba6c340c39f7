#pragma once
/// @file  Ranks in a circle.
///
///      +---> rank 0 ---> rank 1 ---> ... ---> rank P-1 ---+      every rank sends to the next and receives from the
///      |                                                  |      previous one at the same time: one hop
///      +--------------------------------------------------+

#include <utility>

#include "comm/communicator.hpp"
#include "comm/shift.hpp"

namespace ringworld {

/// Neighbours in a ring.
class Ring {
 public:
  explicit Ring(Communicator communicator) : communicator_(std::move(communicator)) {}

  [[nodiscard]] const Communicator& communicator() const { return communicator_; }
  [[nodiscard]] int rank() const { return communicator_.rank(); }
  [[nodiscard]] int size() const { return communicator_.size(); }
  [[nodiscard]] int next() const { return (rank() + 1) % size(); }
  [[nodiscard]] int previous() const { return (rank() + size() - 1) % size(); }
  [[nodiscard]] Peers neighbours() const { return {.to = next(), .from = previous()}; }
  /// Whose block this rank holds after `hops` hops.
  [[nodiscard]] int origin_after(int hops) const { return ((rank() - hops) % size() + size()) % size(); }

 private:
  Communicator communicator_;
};

}  // namespace ringworld
