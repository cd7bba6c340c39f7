#include "kernels/attention/gpu_path.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringworld::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(DescribeGpuAttention, OnlyHopperHasKernelsOfItsOwn) {
  EXPECT_THAT(describe_gpu_attention(90, true), StartsWith("wgmma"));
  EXPECT_THAT(describe_gpu_attention(90, true), Not(HasSubstr("not tuned")));
  EXPECT_THAT(describe_gpu_attention(90, false), HasSubstr("sm_90a"));
  for (const int other : {80, 86, 89, 100, 103, 120}) {
    EXPECT_THAT(describe_gpu_attention(other, true), StartsWith("mma.sync")) << other;
    EXPECT_THAT(describe_gpu_attention(other, true), HasSubstr("tuned for")) << other;
  }
  EXPECT_THAT(describe_gpu_attention(75, true), HasSubstr("CUDA cores"));
}

}  // namespace
}  // namespace ringworld::test
