#pragma once
/// @file  The cost of a piece of work on a device.

#include <cstdint>

namespace ringworld {

/// What kind of work it is: devices reach other rates with each.
enum class WorkKind : std::uint8_t {
  elementwise,         ///< moves more than it computes
  product,             ///< a matrix product (rows, columns) = (rows, depth) (depth, columns)
  attention_forward,   ///< a block of `rows` queries with a block of `columns` keys, heads of `depth` elements
  attention_backward,  ///< the same, backward
};

struct Cost {
  double flop = 0;   ///< floating-point operations
  double bytes = 0;  ///< bytes moved to and from the device's memory, each operand once
  WorkKind kind = WorkKind::elementwise;
  // The shape of products and of blocks of attention, on which their rates depend.
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t depth = 0;
  std::int64_t heads = 0;  ///< of attention, query heads of all sequences
  bool is_cut = false;     ///< of attention, whether the diagonal hides some of the block
};

/// Of both pieces of work together, which have no shape.
[[nodiscard]] constexpr Cost operator+(const Cost& left, const Cost& right) noexcept {
  return {.flop = left.flop + right.flop, .bytes = left.bytes + right.bytes};
}

}  // namespace ringworld
