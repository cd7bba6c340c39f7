#include "kernels/elementwise/cuda/launch_shape.hpp"

#include <gtest/gtest.h>

namespace ringworld::test {
namespace {

constexpr std::int64_t multiprocessors = 132;

TEST(MapShape, ADeviceIsFilledOnceAndNotMore) {
  for (const std::int64_t rows : {1, 7, 4096, 1 << 20}) {
    for (const std::int64_t packs : {1, 8, 512, 1376, 1 << 20}) {
      const row::MapShape shape = row::map_shape(rows, packs, 2, multiprocessors);
      EXPECT_EQ(shape.threads % row::warp_threads, 0);
      EXPECT_LE(shape.threads, 256);
      EXPECT_LE(shape.row_blocks, rows);
      const std::int64_t resident =
          multiprocessors * std::min(row::resident_blocks, row::resident_threads / shape.threads);
      // Rounding up may add a last wave of fewer blocks than lie side by side in a row.
      EXPECT_LT(shape.chunk_blocks * (shape.row_blocks - 1), resident) << rows << " rows of " << packs;
      if (rows * row::divided_up(packs, 2 * shape.threads) >= resident) {
        EXPECT_GE(shape.chunk_blocks * shape.row_blocks, resident) << rows << " rows of " << packs;
      }
    }
  }
}

TEST(MapShape, FewThreadsStandIdleAtTheEndOfARow) {
  // 1376 packs are the 11,008 columns of LLaMA-7B in bf16: three chunks of 230 threads, not two and three quarters.
  const row::MapShape shape = row::map_shape(4096, 1376, 2, multiprocessors);
  EXPECT_LT(shape.chunk_blocks * shape.threads * 2 - 1376, 1376 / 8);
  EXPECT_EQ(row::map_shape(1, 1, 4, multiprocessors).threads, 32);
}

TEST(MapShape, NothingIsAnEmptyGrid) { EXPECT_EQ(row::map_shape(0, 512, 2, multiprocessors).row_blocks, 0); }

TEST(SweepShape, ShortRowsGetSmallBlocksAndManyOfThem) {
  const row::SweepShape vocabulary = row::sweep_shape(4096, 8000, 4, multiprocessors);
  EXPECT_EQ(vocabulary.threads, row::most_sweep_threads);
  EXPECT_EQ(vocabulary.blocks, 2 * multiprocessors);
  const row::SweepShape bytes = row::sweep_shape(65536, 64, 4, multiprocessors);
  EXPECT_EQ(bytes.threads, 32);
  EXPECT_EQ(bytes.blocks, row::resident_blocks * multiprocessors);
  EXPECT_EQ(row::sweep_shape(3, 8000, 4, multiprocessors).blocks, 3);
}

TEST(RowShape, ABlockHasRoomForTheWholeRow) {
  for (const std::int64_t width : {1, 4, 8}) {
    for (std::int64_t columns = width; columns <= 20000; columns += 7 * width) {
      const row::RowShape shape = row::row_shape(columns, width);
      const std::int64_t most = row::most_row_threads * (width == 1 ? row::most_single_packs : 4) * width;
      if (columns > most) {
        EXPECT_EQ(shape.packs, 0) << columns;
      } else {
        EXPECT_GE(shape.threads * shape.packs * width, columns);
        EXPECT_LE(shape.threads, row::most_row_threads);
        EXPECT_EQ(shape.threads % row::warp_threads, 0);
      }
    }
  }
}

}  // namespace
}  // namespace ringworld::test
