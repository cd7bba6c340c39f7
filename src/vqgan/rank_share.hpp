#pragma once
/// @file  The part of a list of items that a rank works on: ranks take them in order, as evenly as can be.

#include <cstdint>

namespace ringworld {

/// Items `begin <= i < end` of a rank.
struct RankShare {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  [[nodiscard]] std::int64_t count() const { return end - begin; }
};

[[nodiscard]] constexpr RankShare share_of(std::int64_t count, std::int64_t rank, std::int64_t ranks) {
  return {.begin = count * rank / ranks, .end = count * (rank + 1) / ranks};
}

[[nodiscard]] constexpr std::int64_t largest_share(std::int64_t count, std::int64_t ranks) {
  return (count + ranks - 1) / ranks;
}

}  // namespace ringworld
