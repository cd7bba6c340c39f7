#include "comm/rank_traffic.hpp"

#include <deque>

#include "core/simulated_ranks.hpp"

namespace ringworld {

RankTraffic& rank_traffic() {
  static std::deque<RankTraffic> of_ranks;  // a reference stays valid while it grows
  const std::size_t rank = simulated_rank();
  if (rank >= of_ranks.size()) {
    of_ranks.resize(rank + 1);
  }
  return of_ranks[rank];
}

}  // namespace ringworld
