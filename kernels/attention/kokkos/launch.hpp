#pragma once
/// @file  Cuts a pass into launches that are short enough to drive communication between them.
///
///   tiles of the league  | t0 t1 | t2 t3 | ...      a launch: as many tiles as the device runs at once, times one
///   tokens walked        |--span--|--span--| ...    span of the other side's tokens; then progress, then the next

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "kernels/attention/attention.hpp"
#include "kernels/attention/kokkos/tile.hpp"

namespace ringworld::kokkos {

/// What one launch covers.
struct LaunchPart {
  std::int64_t first_tile = 0;  ///< the tile of league rank 0
  std::int64_t walk_begin = 0;  ///< tokens of the other side that each team walks over
  std::int64_t walk_end = 0;
  int scratch_level = 0;
};

/// Tokens that a team walks over in one launch: a few milliseconds on one CPU core.
inline constexpr std::int64_t walk_span = 1024;
static_assert(walk_span % tile_tokens == 0);

KOKKOS_INLINE_FUNCTION constexpr std::int64_t tiles_of(std::int64_t tokens) {
  return (tokens + tile_tokens - 1) / tile_tokens;
}

/// Tokens of the tile that starts at `begin`.
KOKKOS_INLINE_FUNCTION constexpr int tile_size(std::int64_t begin, std::int64_t end) {
  return end - begin < tile_tokens ? static_cast<int>(end - begin) : tile_tokens;
}

/// Runs `kernel` over `tiles` league tiles and `walk_tokens` tokens of the other side, polling `progress` between
/// launches. Launches over the same tile follow each other, so that a kernel may keep sums in memory.
/// @return false when `progress` stopped it.
template <class Kernel>
[[nodiscard]] bool launch_in_parts(const std::string& name, Kernel kernel, std::int64_t tiles, std::int64_t walk_tokens,
                                   const Progress& progress) {
  const std::size_t bytes = Kernel::Scratch::bytes(kernel.head_size);
  // Level 0 is the fast memory of a GPU and small; a CPU does not care.
  const int level = bytes <= static_cast<std::size_t>(TeamPolicy::scratch_size_max(0)) ? 0 : 1;
  const int lanes = std::min(32, TeamPolicy::vector_length_max());
  // At least a team for each thread that can run; on one core, tile by tile.
  const std::int64_t teams =
      std::clamp<std::int64_t>(ExecutionSpace().concurrency(), 1, std::numeric_limits<int>::max());
  for (std::int64_t first = 0; first < tiles; first += teams) {
    const auto league = static_cast<int>(std::min(teams, tiles - first));
    for (std::int64_t begin = 0; begin < walk_tokens; begin += walk_span) {
      kernel.part = {.first_tile = first,
                     .walk_begin = begin,
                     .walk_end = std::min(begin + walk_span, walk_tokens),
                     .scratch_level = level};
      TeamPolicy policy(league, Kokkos::AUTO, lanes);
      policy.set_scratch_size(level, Kokkos::PerTeam(static_cast<int>(bytes)));
      {
        const LaunchScope scope;
        Kokkos::parallel_for(name, policy, kernel);
        ExecutionSpace().fence();
      }
      if (progress && !progress()) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace ringworld::kokkos
