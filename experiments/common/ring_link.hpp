#pragma once
/// @file  Bandwidth and latency of neighbour transfers in a ring, nothing else running.

#include <cstdint>

#include "comm/ring.hpp"

namespace ringworld {

struct RingLink {
  double bytes_per_second = 0;  ///< of one rank, each way, all ranks sending at once
  double latency_seconds = 0;   ///< of a hop of one byte
  double lowest = 0;            ///< of bytes_per_second, over repeats
  double highest = 0;
};

/// Collective over `ring`. @param bytes  size of a hop for the bandwidth     @param memory  where the blocks lie
[[nodiscard]] RingLink measure_ring_link(const Ring& ring, std::int64_t bytes, DeviceKind memory);

}  // namespace ringworld
