#pragma once
/// @file  Tiles of bf16 rows in shared memory, laid out so that ldmatrix meets no bank conflict.
///
/// ldmatrix reads a chunk of 16 bytes of each of eight neighbouring rows at once. The 32 banks are 128 bytes wide, so the
/// eight have to differ in their chunk number modulo 8. Where a row is a multiple of 128 bytes, chunk c of row r is stored
/// at c ^ (r mod 8); other rows are spaced by an odd number of chunks, which does the same at the price of 16 bytes a row.

#include <cuda_runtime.h>

#include <cstdint>

#include "core/bf16.hpp"
#include "device/cuda/ptx/async_copy.cuh"

namespace ringworld::cuda {

/// The address arithmetic of a tile; `columns` is a multiple of 16.
template <int columns>
struct SharedTile {
  static constexpr int chunk_bytes = 16;
  static constexpr int chunks = columns * 2 / chunk_bytes;
  static constexpr bool is_permuted = chunks % 8 == 0;
  static constexpr int row_bytes = (is_permuted ? chunks : chunks + 1) * chunk_bytes;

  __host__ __device__ static constexpr int bytes(int rows) { return rows * row_bytes; }

  ptx::SharedAddress address;  ///< of the first row; a multiple of 128

  /// Where the 16 bytes that hold columns 8 `chunk` to 8 `chunk` + 7 of a row begin.
  __device__ static int chunk_offset(int row, int chunk) {
    return row * row_bytes + (is_permuted ? chunk ^ row % 8 : chunk) * chunk_bytes;
  }
  __device__ ptx::SharedAddress chunk_address(int row, int chunk) const {
    return address + static_cast<ptx::SharedAddress>(chunk_offset(row, chunk));
  }
};

/// The order in which the lanes of a warp name the four 8 x 8 matrices of 16 x 16 elements.
enum class MatrixOrder : std::uint8_t { down_first, right_first };

/// Where one lane reads its row of a matrix, for every 16 x 16 elements of a tile from `first_row` on.
///
/// Spelled so that one register and constants reach all of the tile, four where rows are permuted. Written as
/// chunk_address, each address of a kernel's inner loops would live in a register of its own, a hundred of them.
template <int columns, MatrixOrder order>
class LaneAddress {
 public:
  using Tile = SharedTile<columns>;

  __device__ LaneAddress(Tile tile, int first_row, int lane) {
    const bool is_down = order == MatrixOrder::down_first;
    const int row = is_down ? lane % 16 : lane % 8 + lane / 16 * 8;
    const int chunk = is_down ? lane / 16 : lane / 8 % 2;
    first_ = tile.chunk_address(first_row + row, chunk);
  }

  /// @param row  a multiple of 8, from first_row on     @param step  counts 16 columns
  __device__ ptx::SharedAddress at(int row, int step) const {
    if constexpr (Tile::is_permuted) {
      // The lane's chunk is c ^ r with c = 0 or 1; that of the step is (2 step + c) ^ r.
      return (first_ ^ static_cast<ptx::SharedAddress>(step % 4 * 32)) +
             static_cast<ptx::SharedAddress>(row * Tile::row_bytes + step / 4 * 128);
    } else {
      return first_ + static_cast<ptx::SharedAddress>(row * Tile::row_bytes + step * 32);
    }
  }

 private:
  ptx::SharedAddress first_;
};

/// What one asynchronous copy moves: the widest that divides a row.
template <int head_size>
inline constexpr int piece_bytes = head_size % 8 == 0 ? 16 : 8;

/// Starts copying `rows` rows of `head_size` elements from global memory; the caller commits the group.
/// Rows from `existing` on, and columns from `existing_columns` on, are filled with zeros.
/// @param source  row r begins at source + r * stride; both are multiples of piece_bytes<head_size>

template <int rows, int head_size, int threads, int columns>
__device__ void start_copy(SharedTile<columns> tile, const bf16* source, std::int64_t stride, int existing,
                           int existing_columns) {
  constexpr int bytes = piece_bytes<head_size>;
  constexpr int elements = bytes / 2;
  constexpr int pieces = columns / elements;
  // Not unrolled: the compiler would keep the addresses of all passes in registers that the products need.
#pragma unroll 1
  for (int index = static_cast<int>(threadIdx.x); index < rows * pieces; index += threads) {
    const int row = index / pieces;
    const int piece = index % pieces;
    const bool exists = row < existing && piece * elements < existing_columns;
    const bf16* from = exists ? source + row * stride + piece * elements : source;
    const ptx::SharedAddress to = tile.chunk_address(row, piece * bytes / 16);
    if constexpr (bytes == 16) {
      ptx::copy_async_16(to, from, exists);
    } else {
      ptx::copy_async_8(to + static_cast<ptx::SharedAddress>(piece * bytes % 16), from, exists);
    }
  }
}

}  // namespace ringworld::cuda
