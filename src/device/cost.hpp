#pragma once
/// @file  The cost of a piece of work on a device.

namespace ringworld {

struct Cost {
  double flop = 0;   ///< floating-point operations
  double bytes = 0;  ///< bytes moved to and from the device's memory, each operand once
};

[[nodiscard]] constexpr Cost operator+(const Cost& left, const Cost& right) noexcept {
  return {left.flop + right.flop, left.bytes + right.bytes};
}

}  // namespace ringworld
