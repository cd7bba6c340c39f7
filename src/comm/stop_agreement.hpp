#pragma once
/// @file  Ranks agree to stop early: a signal may have reached one of them only.

#include "comm/communicator.hpp"
#include "core/stop_request.hpp"

namespace ringworld {

/// This rank's vote, for a `Reduction::max` that a step makes anyway: 1 when it was told to stop, else 0. The maximum
/// over the ranks is what all of them do.
[[nodiscard]] inline double stop_vote() noexcept { return stop_signal() != 0 ? 1.0 : 0.0; }

/// The vote alone. The same on every rank. Collective over `communicator`.
[[nodiscard]] inline bool is_stop_wanted(const Communicator& communicator) {
  return communicator.all_reduce(stop_vote(), Reduction::max) > 0;
}

}  // namespace ringworld
