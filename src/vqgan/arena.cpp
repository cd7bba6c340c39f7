#include "vqgan/arena.hpp"

#include <algorithm>
#include <numeric>

namespace ringworld {

ArenaPlan plan_arena(std::span<const ArenaBlock> blocks, std::int64_t alignment) {
  std::vector<std::size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return blocks[a].size > blocks[b].size; });
  const auto rounded = [&](std::int64_t size) { return (size + alignment - 1) / alignment * alignment; };
  ArenaPlan plan{.offsets = std::vector<std::int64_t>(blocks.size(), 0), .size = 0};
  std::vector<std::size_t> placed;  // by offset
  for (const std::size_t block : order) {
    const std::int64_t size = rounded(blocks[block].size);
    std::int64_t offset = 0;
    for (const std::size_t other : placed) {
      const bool is_apart = blocks[other].end < blocks[block].begin || blocks[block].end < blocks[other].begin;
      if (is_apart) {
        continue;
      }
      if (offset + size <= plan.offsets[other]) {
        break;
      }
      offset = std::max(offset, plan.offsets[other] + rounded(blocks[other].size));
    }
    plan.offsets[block] = offset;
    plan.size = std::max(plan.size, offset + size);
    const auto place =
        std::ranges::upper_bound(placed, offset, {}, [&](std::size_t other) { return plan.offsets[other]; });
    placed.insert(place, block);
  }
  return plan;
}

}  // namespace ringworld
