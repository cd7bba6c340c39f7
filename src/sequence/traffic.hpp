#pragma once
/// @file  Messages and bytes that ranks send in a pass, by kind: counted by lanes, and planned.

#include <cstdint>

#include "comm/ring.hpp"

namespace ringworld {

struct SequenceTraffic {
  Traffic operands;
  Traffic gradients;

  [[nodiscard]] std::int64_t bytes() const { return operands.bytes + gradients.bytes; }
};

}  // namespace ringworld
