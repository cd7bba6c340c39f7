#pragma once
/// @file  How the rows of a tensor are spread over a GPU.

#include <algorithm>
#include <cstdint>

namespace ringworld::row {

/// Threads that run together on one multiprocessor, of every architecture that we build for.
inline constexpr std::int64_t resident_threads = 2048;
inline constexpr std::int64_t resident_blocks = 32;
inline constexpr std::int64_t warp_threads = 32;

[[nodiscard]] constexpr std::int64_t divided_up(std::int64_t count, std::int64_t divisor) {
  return (count + divisor - 1) / divisor;
}

[[nodiscard]] constexpr std::int64_t whole_warps(std::int64_t threads) {
  return std::max(warp_threads, divided_up(threads, warp_threads) * warp_threads);
}

/// A block of `threads` takes one chunk of a row after another, of one row after another.
struct MapShape {
  std::int64_t threads = 0;
  std::int64_t chunk_blocks = 0;  ///< blocks side by side in a row
  std::int64_t row_blocks = 0;    ///< rows that are worked on at the same time
};

/// Blocks that fill the device once; chunks of a row are equal, so that few threads stand idle at its end.
/// @param packs of a row     @param unroll packs that a thread has in flight
[[nodiscard]] constexpr MapShape map_shape(std::int64_t rows, std::int64_t packs, std::int64_t unroll,
                                           std::int64_t multiprocessors) {
  constexpr std::int64_t most_threads = 256;
  constexpr std::int64_t most_row_blocks = 65535;  // of a grid in y
  const std::int64_t chunks = std::max<std::int64_t>(1, divided_up(packs, most_threads * unroll));
  const std::int64_t threads = whole_warps(divided_up(packs, chunks * unroll));
  const std::int64_t blocks = multiprocessors * std::min(resident_blocks, resident_threads / threads);
  const std::int64_t chunk_blocks = std::min(chunks, blocks);
  return {.threads = threads,
          .chunk_blocks = chunk_blocks,
          .row_blocks = std::min({rows, divided_up(blocks, chunk_blocks), most_row_blocks})};
}

/// A block that reads a row from one end to the other (sweep_row.cuh), and then another row.
struct SweepShape {
  std::int64_t threads = 0;
  std::int64_t blocks = 0;
};

inline constexpr std::int64_t most_sweep_threads = 512;

/// Half as many threads as can be resident: what they have in flight is enough, and rows that are read twice stay few
/// enough for the L2 cache (two of up to 128 KiB a multiprocessor).
[[nodiscard]] constexpr SweepShape sweep_shape(std::int64_t rows, std::int64_t packs, std::int64_t unroll,
                                               std::int64_t multiprocessors) {
  const std::int64_t threads = std::min(most_sweep_threads, whole_warps(divided_up(packs, unroll)));
  const std::int64_t resident = std::min(resident_blocks, resident_threads / 2 / threads);
  return {.threads = threads, .blocks = std::min(rows, multiprocessors * resident)};
}

/// A block that holds a whole row in its registers.
struct RowShape {
  std::int64_t threads = 0;
  std::int64_t packs = 0;  ///< that a thread has room for: 1, 2 or 4, of single elements 8; 0: the row is too long
};

inline constexpr std::int64_t most_row_threads = 512;
inline constexpr std::int64_t most_single_packs = 8;

/// Few threads with several packs each: their loads are in flight together, and fewer partial sums meet at a barrier.
/// @param width elements of a pack: 1, 4 or 8
[[nodiscard]] constexpr RowShape row_shape(std::int64_t columns, std::int64_t width) {
  constexpr std::int64_t good_threads = 128;
  const std::int64_t packs = divided_up(columns, width);
  if (width == 1) {
    return packs <= most_single_packs * most_row_threads
               ? RowShape{.threads = std::min(most_row_threads, whole_warps(packs)), .packs = most_single_packs}
               : RowShape{};
  }
  for (const std::int64_t of_thread : {1, 2, 4}) {
    if (packs <= of_thread * (of_thread == 4 ? most_row_threads : good_threads)) {
      return {.threads = whole_warps(divided_up(packs, of_thread)), .packs = of_thread};
    }
  }
  return {};
}

}  // namespace ringworld::row
