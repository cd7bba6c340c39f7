#include "kernels/elementwise/parallel.hpp"

#include <atomic>

#include "core/thread_team.hpp"

namespace ringworld::row {

void for_each_range(int threads, std::int64_t count, std::int64_t grain, const RangeBody& body) {
  const std::int64_t ranges = range_count(count, grain);
  // A team costs some microseconds to wake: it comes only where it has something to share.
  const int team = static_cast<int>(std::clamp<std::int64_t>(ranges, 1, threads));
  std::atomic<std::int64_t> next = 0;
  run_team(team, [&](TeamMember /*member*/) {
    for (std::int64_t range = next++; range < ranges; range = next++) {
      body(range * grain, std::min((range + 1) * grain, count));
    }
  });
}

}  // namespace ringworld::row
