#include "perf/elementwise_model.hpp"

#include <gtest/gtest.h>

namespace ringworld::test {
namespace {

TEST(ElementwiseModel, CountsEveryOperandOnceEachWay) {
  // 10 tokens of 100 columns: 4000 bytes an operand in fp32, 2000 in bf16.
  EXPECT_EQ(rms_norm_forward_bytes(10, 100, DType::float32, false), 2 * 4000 + 40);
  EXPECT_EQ(rms_norm_forward_bytes(10, 100, DType::bfloat16, true), 4 * 2000 + 40);
  EXPECT_EQ(rms_norm_backward_bytes(10, 100, DType::float32, true), 4 * 4000 + 40);
  EXPECT_EQ(rms_norm_backward_bytes(10, 100, DType::bfloat16, false), 3 * 2000 + 40);
  EXPECT_EQ(rope_bytes(10, 4, 25 * 2, DType::float32), 2 * 10 * 200 * 4 + 2 * 10 * 25 * 4);
  EXPECT_EQ(swiglu_forward_bytes(10, 100, DType::bfloat16), 3 * 2000);
  EXPECT_EQ(swiglu_backward_bytes(10, 100, DType::float32, true), 6 * 4000);
  EXPECT_EQ(swiglu_backward_bytes(10, 100, DType::float32, false), 5 * 4000);
  EXPECT_EQ(embedding_forward_bytes(10, 100, DType::float32, DType::bfloat16), 4000 + 2000 + 40);
  EXPECT_EQ(embedding_backward_bytes(10, 3, 100, DType::bfloat16), 2000 + 40 + 3 * 2 * 400);
  EXPECT_EQ(cross_entropy_forward_bytes(10, 100), 4000);
  EXPECT_EQ(cross_entropy_backward_bytes(10, 100), 2 * 4000);
  EXPECT_EQ(adamw_bytes(1000, false), 28000);
  EXPECT_EQ(adamw_bytes(1000, true), 30000);
  EXPECT_EQ(sum_of_squares_bytes(1000), 4000);
}

}  // namespace
}  // namespace ringworld::test
