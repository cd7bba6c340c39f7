#pragma once
/// @file  The product of two matrices that are gathered as they are read: a block computes a tile of the result.
///
///            columns                  A chunk of `depth` rows of b and columns of a lies in shared memory, both with
///           +-------+                 the depth outermost, while the loads of the next chunk are in flight.
///     depth |   b   |                 A thread holds thread_rows x 4 results in registers. It adds up in the order of
///           +-------+                 the depth, whatever the tile: the choice of a tile changes no bit of a result.
///       +---+-------+
///  rows | a | tile  |
///       +---+-------+

#include <cstdint>

#include "kernels/elementwise/cuda/pack.cuh"

namespace ringworld::convolution {

using row::Floats;

constexpr int depth = 16;      // of a chunk
constexpr int pack_width = 4;  // floats of a shared memory access
constexpr int depth_packs = depth / pack_width;

template <int Rows, int Columns, int ThreadRows>
struct Tile {
  static constexpr int rows = Rows;
  static constexpr int columns = Columns;
  static constexpr int thread_rows = ThreadRows;
  static constexpr int thread_columns = pack_width;
  static constexpr int column_packs = columns / thread_columns;
  static constexpr int threads = rows / thread_rows * column_packs;

  /// The first row and column, in the tile, of this thread's results.
  static __device__ __forceinline__ int thread_row() {
    return static_cast<int>(threadIdx.x) / column_packs * thread_rows;
  }
  static __device__ __forceinline__ int thread_column() {
    return static_cast<int>(threadIdx.x) % column_packs * thread_columns;
  }
};

/// `Extent` rows of a, or columns of b. The rest of a line keeps its packs aligned and spreads lines over the banks.
template <int Extent>
struct alignas(16) Chunk {
  float lines[depth][Extent + pack_width];

  /// Neighbours along the depth.
  __device__ __forceinline__ void put_along_depth(int line, int at, const Floats<pack_width>& values) {
#pragma unroll
    for (int i = 0; i < pack_width; ++i) {
      lines[line + i][at] = values[i];
    }
  }
  /// Neighbours along a line.
  __device__ __forceinline__ void put_along_line(int line, int at, const Floats<pack_width>& values) {
    row::store_floats(&lines[line][at], values);
  }
};

template <class Tile>
struct Results {
  Floats<pack_width> rows[Tile::thread_rows];
};

/// @param a, b  of this thread: `fetch()` loads the next chunk into registers, `put(chunk)` writes it to shared memory
template <class Tile, class A, class B>
__device__ __forceinline__ Results<Tile> multiply(A& a, B& b, std::int64_t chunks) {
  __shared__ Chunk<Tile::rows> a_chunk;
  __shared__ Chunk<Tile::columns> b_chunk;
  Results<Tile> results{};
  if (chunks > 0) {
    a.fetch();
    b.fetch();
  }
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
    __syncthreads();
    a.put(a_chunk);
    b.put(b_chunk);
    __syncthreads();
    if (chunk + 1 < chunks) {
      a.fetch();
      b.fetch();
    }
#pragma unroll
    for (int line = 0; line < depth; ++line) {
      const auto right = row::load_floats<pack_width>(&b_chunk.lines[line][Tile::thread_column()]);
#pragma unroll
      for (int pack = 0; pack < Tile::thread_rows; pack += pack_width) {
        const auto left = row::load_floats<pack_width>(&a_chunk.lines[line][Tile::thread_row() + pack]);
#pragma unroll
        for (int i = 0; i < pack_width; ++i) {
#pragma unroll
          for (int j = 0; j < pack_width; ++j) {
            results.rows[pack + i][j] += left[i] * right[j];
          }
        }
      }
    }
  }
  return results;
}

/// `Width` floats at `from`, the rest 0. Width 1 serves operands that are not aligned, float by float.
/// @param at(i)  the pointer to float i, or null where it is a zero; asked for i = 0 only when Width is 4
template <int Width, class At>
__device__ __forceinline__ Floats<pack_width> read(const At& at) {
  Floats<pack_width> values{};
  if constexpr (Width == pack_width) {
    if (const float* from = at(0)) {
      values = row::load_floats<pack_width>(from);
    }
  } else {
#pragma unroll
    for (int i = 0; i < pack_width; ++i) {
      if (const float* from = at(i)) {
        values[i] = *from;
      }
    }
  }
  return values;
}

/// Writes the floats of columns `column`, ... that lie before `columns`.
template <int Width>
__device__ __forceinline__ void write(float* line, std::int64_t column, std::int64_t columns,
                                      const Floats<pack_width>& values) {
  if constexpr (Width == pack_width) {
    if (column < columns) {
      row::store_floats(line + column, values);
    }
  } else {
#pragma unroll
    for (int i = 0; i < pack_width; ++i) {
      if (column + i < columns) {
        line[column + i] = values[i];
      }
    }
  }
}

/// b, or its part from line `begin` to `end`, where it lies in memory as it is: (lines, columns), dense.
template <class Tile, int Width>
class DenseLines {
 public:
  __device__ __forceinline__ DenseLines(const float* from, std::int64_t begin, std::int64_t end, std::int64_t columns,
                                        std::int64_t first_column)
      : from_(from),
        line_(begin + threadIdx.x / Tile::column_packs),
        end_(end),
        columns_(columns),
        column_(first_column + Tile::thread_column()) {}

  __device__ __forceinline__ void fetch() {
    if (takes_part()) {
#pragma unroll
      for (int i = 0; i < packs; ++i) {
        const std::int64_t line = line_ + i * lines_apart;
        values_[i] = read<Width>([&](int j) {
          return line < end_ && column_ + j < columns_ ? from_ + line * columns_ + column_ + j : nullptr;
        });
      }
    }
    line_ += depth;
  }
  __device__ __forceinline__ void put(Chunk<Tile::columns>& chunk) const {
    if (takes_part()) {
#pragma unroll
      for (int i = 0; i < packs; ++i) {
        chunk.put_along_line(static_cast<int>(threadIdx.x) / Tile::column_packs + i * lines_apart,
                             Tile::thread_column(), values_[i]);
      }
    }
  }

 private:
  static constexpr int lines_apart = Tile::threads / Tile::column_packs;
  static constexpr int packs = lines_apart < depth ? depth / lines_apart : 1;
  static __device__ __forceinline__ bool takes_part() { return threadIdx.x < depth * Tile::column_packs; }

  const float* from_;
  std::int64_t line_;
  std::int64_t end_;
  std::int64_t columns_;
  std::int64_t column_;
  Floats<pack_width> values_[packs];
};

}  // namespace ringworld::convolution
