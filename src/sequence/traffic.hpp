#pragma once
/// @file  Messages and bytes that ranks send in a pass, by kind: counted by lanes, and planned.

#include <cstdint>

#include "comm/ring.hpp"

namespace ringworld {

struct SequenceTraffic {
  Traffic operands;
  Traffic gradients;

  SequenceTraffic& operator+=(const SequenceTraffic& more) {
    operands += more.operands;
    gradients += more.gradients;
    return *this;
  }
  [[nodiscard]] std::int64_t bytes() const { return operands.bytes + gradients.bytes; }
  [[nodiscard]] std::int64_t messages() const { return operands.messages + gradients.messages; }
  [[nodiscard]] std::int64_t bytes_between_nodes() const {
    return operands.bytes_between_nodes + gradients.bytes_between_nodes;
  }
};

}  // namespace ringworld
