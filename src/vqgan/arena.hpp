#pragma once
/// @file  Places in one stretch of memory for blocks that are needed at different times: two blocks share memory only if
/// they are never needed at the same time.
///
///   address  +--------------+
///            |  a     | c   |     a and b overlap in time, a and c do not
///            +--------------+
///            |    b     |
///            +----------+---> time

#include <cstdint>
#include <span>
#include <vector>

namespace ringworld {

/// A block that is needed at the times `begin` to `end`, both included.
struct ArenaBlock {
  std::int64_t size = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

struct ArenaPlan {
  std::vector<std::int64_t> offsets;  ///< of each block
  std::int64_t size = 0;              ///< of the arena
};

/// Places the blocks, the largest first, each as low as those before it permit. Offsets are multiples of `alignment`. The
/// same blocks get the same plan on every machine.
[[nodiscard]] ArenaPlan plan_arena(std::span<const ArenaBlock> blocks, std::int64_t alignment);

}  // namespace ringworld
