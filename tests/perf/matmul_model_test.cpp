#include "perf/matmul_model.hpp"

#include <gtest/gtest.h>

namespace ringworld::test {
namespace {

TEST(MatmulModel, FlopAndBytesByHand) {
  EXPECT_EQ(matmul_flop(2, 3, 5), 60);
  EXPECT_EQ(matmul_flop(1 << 20, 1 << 17, 1 << 14), 0x1.0p52) << "a product of extents that overflows 32 bits";
  // A 10 elements, B 15, C 6.
  EXPECT_EQ(matmul_memory_bytes(2, 3, 5, DType::float32, DType::float32, false), 4 * 31);
  EXPECT_EQ(matmul_memory_bytes(2, 3, 5, DType::bfloat16, DType::bfloat16, false), 2 * 31);
  EXPECT_EQ(matmul_memory_bytes(2, 3, 5, DType::bfloat16, DType::float32, true), 2 * 25 + 4 * 12);
}

}  // namespace
}  // namespace ringworld::test
