#pragma once
/// @file  A tile of bf16 in shared memory as bulk tensor copies write it and wgmma reads it.
/// Source: PTX ISA, "Shared Memory Matrix Layout" and "Tensor Swizzling modes", 128-byte swizzle.
///
///     columns 0 to 63           columns 64 to 127          A panel is 64 columns wide: rows of 128 bytes, one below
///   +-------------------+     +-------------------+        the other. The sixteen-byte chunk c of row r lies where
///   | row 0             |     | row 0             |        chunk c XOR (r mod 8) would: neither eight rows of one
///   | row 1             |     | row 1             |        chunk nor eight chunks of one row share a bank.
///   | ...               |     | ...               |
///   +-------------------+     +-------------------+
///          panel 0                   panel 1

#include <cstdint>

#include "device/cuda/ptx/wgmma.cuh"

namespace ringworld::cuda::hopper {

/// Shared memory that a swizzled panel starts at has this alignment: the pattern is a function of the address.
inline constexpr int panel_alignment = 1024;

template <int Rows, int Columns>
struct SwizzledTile {
  static constexpr int panel_columns = 64;
  static constexpr int panels = Columns / panel_columns;
  static constexpr int row_bytes = 128;
  static constexpr int panel_bytes = Rows * row_bytes;
  static constexpr int bytes = panels * panel_bytes;
  static constexpr int eight_rows_bytes = 8 * row_bytes;
  static_assert(Columns % panel_columns == 0 && Rows % 8 == 0);

  std::uint32_t address;  ///< in the shared window; a multiple of panel_alignment

  /// The operand whose rows (or, as B, columns) are rows `row` and on of the tile, and whose sum runs over columns
  /// `column` to `column` + 15.
  /// @pre row % 8 == 0, column % 16 == 0
  [[nodiscard]] __device__ std::uint64_t sum_over_columns(int row, int column) const {
    return ptx::advance(ptx::make_descriptor(ptx::Swizzle::bytes_128, address, 16, eight_rows_bytes),
                        offset(row, column));
  }

  /// The operand whose rows (or, as B, columns) are columns `column` and on of the tile, and whose sum runs over rows
  /// `row` to `row` + 15.
  /// @pre row % 8 == 0, column % 64 == 0
  [[nodiscard]] __device__ std::uint64_t sum_over_rows(int row, int column) const {
    // In two steps: the row is a constant where this is called, the column need not be.
    const ptx::MatrixDescriptor first = ptx::advance(
        ptx::make_descriptor(ptx::Swizzle::bytes_128, address, panel_bytes, eight_rows_bytes), offset(0, column));
    return ptx::advance(first, offset(row, 0));
  }

  /// The tile from one of its rows on: what is not known before the kernel runs becomes part of the address, and the
  /// descriptors of its columns differ by constants.
  /// @pre row % 8 == 0
  [[nodiscard]] __device__ SwizzledTile from_row(int row) const {
    return {address + static_cast<std::uint32_t>(row * row_bytes)};
  }

 private:
  /// Without the swizzle: the hardware applies it to the address that it computes.
  [[nodiscard]] static __device__ constexpr std::uint32_t offset(int row, int column) {
    return static_cast<std::uint32_t>(column / panel_columns * panel_bytes + row * row_bytes +
                                      column % panel_columns * 2);
  }
};

}  // namespace ringworld::cuda::hopper
