#pragma once
/// @file  Does every byte arrive? Blocks of known bytes go round the ring, and are looked at after every hop.

#include <cstdint>

#include "comm/ring.hpp"

namespace ringworld {

struct LinkVerdict {
  std::int64_t bytes = 0;            ///< that were looked at, on all ranks
  std::int64_t wrong_bytes = 0;      ///< on all ranks
  std::int64_t first_receiver = -1;  ///< lowest rank that received a wrong byte
  std::int64_t first_hop = -1;       ///< of that rank, counted from 1
};

/// Sends blocks of several lengths, the longest of `bytes`, all the way round: each rank sends on what it received.
/// Collective over `ring`, of at least two ranks. @param memory  where the blocks lie
[[nodiscard]] LinkVerdict check_link(const Ring& ring, std::int64_t bytes, DeviceKind memory, std::uint64_t seed);

}  // namespace ringworld
