#pragma once
/// @file  What this rank has sent, over all communicators: hops, and collectives of numbers that lie in buffers.

#include <cstdint>

namespace ringworld {

/// Counted where an operation starts, so that it is the same whatever carries it.
struct RankTraffic {
  std::int64_t hops = 0;  ///< transfers of a block to another rank
  std::int64_t hop_bytes = 0;
  std::int64_t collectives = 0;  ///< calls between more than one rank, with something to move
  /// What must cross this rank's link: of all-gather and reduce-scatter all blocks but its own, of a reduction to all
  /// twice (P - 1) / P of the vector, of a broadcast and of a reduction to one the vector.
  /// Source: NVIDIA, nccl-tests, doc/PERFORMANCE.md, section "Bandwidth".
  std::int64_t collective_bytes = 0;

  friend RankTraffic operator-(RankTraffic left, const RankTraffic& right) {
    left.hops -= right.hops;
    left.hop_bytes -= right.hop_bytes;
    left.collectives -= right.collectives;
    left.collective_bytes -= right.collective_bytes;
    return left;
  }
  friend bool operator==(const RankTraffic&, const RankTraffic&) = default;
};

/// Of this rank since it started; a difference of two of them is what was sent in between.
[[nodiscard]] RankTraffic& rank_traffic();

}  // namespace ringworld
