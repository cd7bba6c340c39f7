#pragma once
/// @file  How far the clocks of ranks on different nodes are apart.
///
///   root   --- t1 ------------------- t4 --->         the other rank answers with its time, t2
///             \                     /                 root's clock then stood between t1 and t4
///   other  -----\------ t2 ------/---------->         of many turns the shortest says most
///
/// Source: Cristian, "Probabilistic clock synchronization", Distributed Computing 3 (1989), 146-158.

#include <functional>

#include "comm/communicator.hpp"

namespace ringworld {

struct ClockOffset {
  double seconds = 0;  ///< to be added to this rank's time for the root's
  double error = 0;    ///< s; the offset is off by no more
};

/// 0 where the clocks cannot be told apart, as on one node, where they are one. Takes some tens of round trips a rank.
/// Collective over `ranks`.
/// @param clock  of this rank
[[nodiscard]] ClockOffset measure_clock_offset(const Communicator& ranks, const std::function<double()>& clock);

}  // namespace ringworld
