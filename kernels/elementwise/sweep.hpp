#pragma once
/// @file  A row of any length, a register at a time.

#include "kernels/elementwise/simd.hpp"

namespace ringworld::row {
namespace {

/// How many independent sums a sweep may keep, so that no addition waits for the one before.
constexpr int slots = 4;

/// A register's worth of a row. `slot` tells apart the blocks that are in flight together.
template <class S, int Slot>
struct Block {
  static constexpr int slot = Slot;
  std::int64_t offset;

  template <class T>
  typename S::Float load(const T* row, float /*fill*/ = 0) const {
    return S::load(row + offset);
  }
  template <class T>
  void store(T* row, typename S::Float value) const {
    S::store(row + offset, value);
  }
  /// Asks for this block of a row that comes next; harmless where there is none.
  template <class T>
  void prefetch(const T* row) const {
    __builtin_prefetch(row + offset);
  }
};

/// The end of a row that does not fill a register.
template <class S>
struct LastBlock {
  static constexpr int slot = 0;
  std::int64_t offset;
  std::int64_t count;

  /// Lanes beyond the row hold `fill`.
  template <class T>
  typename S::Float load(const T* row, float fill = 0) const {
    return S::load_part(row + offset, count, fill);
  }
  template <class T>
  void store(T* row, typename S::Float value) const {
    S::store_part(row + offset, count, value);
  }
  template <class T>
  void prefetch(const T* row) const {
    __builtin_prefetch(row + offset);
  }
};

/// Calls `body(block)` over a row of `count` elements, from its begin to its end.
template <class S, class Body>
void sweep(std::int64_t count, const Body& body) {
  std::int64_t offset = 0;
  for (; offset + slots * S::lanes <= count; offset += slots * S::lanes) {
    body(Block<S, 0>{offset});
    body(Block<S, 1>{offset + S::lanes});
    body(Block<S, 2>{offset + 2 * S::lanes});
    body(Block<S, 3>{offset + 3 * S::lanes});
  }
  for (; offset + S::lanes <= count; offset += S::lanes) {
    body(Block<S, 0>{offset});
  }
  if (offset < count) {
    body(LastBlock<S>{offset, count - offset});
  }
}

/// Sums of a sweep, one a slot.
template <class S>
struct SlotSums {
  typename S::Float value[slots] = {};

  [[nodiscard]] float total() const {
    return S::reduce((value[0] + value[1]) + (value[2] + value[3]),
                     [](typename S::Float a, typename S::Float b) { return a + b; });
  }
};

}  // namespace
}  // namespace ringworld::row
