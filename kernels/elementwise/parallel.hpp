#pragma once
/// @file  The one parallel loop of the element-wise families on the host.

#include <algorithm>
#include <cstdint>
#include <functional>

namespace ringworld::row {

/// Work on the items `begin <= i < end`; must not throw.
using RangeBody = std::function<void(std::int64_t begin, std::int64_t end)>;

/// Cuts [0, count) into ranges of `grain` items (the last may be shorter) and runs `body` on each, on `threads` threads.
/// Blocks. The cut does not depend on the number of threads, so that sums kept per range are the same whatever runs them.
void for_each_range(int threads, std::int64_t count, std::int64_t grain, const RangeBody& body);

/// Ranges that `for_each_range` makes.
[[nodiscard]] constexpr std::int64_t range_count(std::int64_t count, std::int64_t grain) {
  return (count + grain - 1) / grain;
}

/// Rows of a range where rows are independent: enough elements that a launch costs nothing beside them.
[[nodiscard]] constexpr std::int64_t rows_per_range(std::int64_t columns) {
  constexpr std::int64_t elements = 1 << 15;
  return std::max<std::int64_t>(1, elements / std::max<std::int64_t>(1, columns));
}

}  // namespace ringworld::row
