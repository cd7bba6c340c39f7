/// @file  The check behind `valid`: it passes what is right, and fails what is not.

#include "experiments/common/sampled_check.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace ringworld {
namespace {

constexpr std::uint64_t seed = 7;

/// A small point whose forward and backward passes have run.
class SampledCheck : public testing::Test {
 protected:
  SampledCheck()
      : data_(Communicator::world(),
              {.problem = {.context_length = 200, .batch = 2, .heads = 4, .kv_heads = 2, .head_size = 32},
               .schedule = {},
               .layout = Layout::zigzag,
               .backward_rotation = BackwardRotation::kv},
              7) {
    data_.attention().forward(data_.forward());
    data_.attention().backward(data_.backward());
  }

  [[nodiscard]] bool passes() const {
    return is_within(check_samples(data_, seed), sampled_tolerance(data_.options().problem));
  }

  /// Rank 0 holds token 0, which is always sampled, as its first.
  [[nodiscard]] bool is_first() const { return data_.ranks().rank() == 0; }

  PointData data_;
};

TEST_F(SampledCheck, PassesARightResult) {
  const SampledError error = check_samples(data_, seed);
  EXPECT_LE(error.largest, 2e-6);
  EXPECT_LE(error.rms, 2e-6);
  EXPECT_GT(error.largest, 0);
}

TEST_F(SampledCheck, FailsAWrongOutput) {
  if (is_first()) {
    data_.forward().out.as<float>()(0, 0, 3, 5) += 1e-3F;
  }
  EXPECT_FALSE(passes());
}

TEST_F(SampledCheck, FailsAWrongGradient) {
  for (const TensorView<float, 4>& gradient : {data_.backward().dq, data_.backward().dk, data_.backward().dv}) {
    float* value = is_first() ? &gradient(1, 0, 1, 0) : nullptr;
    if (value != nullptr) {
      *value += 1e-2F;
    }
    EXPECT_FALSE(passes());
    if (value != nullptr) {
      *value -= 1e-2F;
    }
  }
}

TEST_F(SampledCheck, FindsNotANumberWhereNoSampleIs) {
  if (is_first()) {
    const TensorView<float, 4>& dv = data_.backward().dv;
    dv(1, dv.shape[1] - 1, 0, 31) = std::numeric_limits<float>::quiet_NaN();
  }
  EXPECT_TRUE(std::isnan(check_samples(data_, seed).largest));
}

/// The last token's numbers are the smallest under a causal mask: losing them must show in bfloat16 too, whose tolerance
/// is wide.
TEST(SampledCheckOfBfloat16, FailsALastTokenThatIsLost) {
  for (const Layout layout : {Layout::contiguous, Layout::striped, Layout::zigzag}) {
    PointData data(Communicator::world(),
                   {.problem = {.context_length = 4096,
                                .heads = 1,
                                .kv_heads = 1,
                                .head_size = 16,
                                .dtype = DType::bfloat16,
                                .wire_dtype = DType::bfloat16},
                    .schedule = {},
                    .layout = layout,
                    .pass = AttentionPass::forward,
                    .backward_rotation = BackwardRotation::kv},
                   7);
    data.attention().forward(data.forward());
    const double tolerance = sampled_tolerance(data.options().problem).largest;
    EXPECT_LE(check_samples(data, seed).largest, tolerance);
    const Partition& partition = data.attention().partition();
    for (const TokenRun& run : partition.runs(data.ranks().rank())) {
      const std::int64_t last = run.count - 1;
      if (run.token + last * run.stride == partition.context_length() - 1) {
        std::fill_n(&data.forward().out.as<bf16>()(0, run.token_local + last, 0, 0), 16, bf16(0.0F));
      }
    }
    EXPECT_GT(check_samples(data, seed).largest, tolerance) << name_of(layout);
  }
}

TEST(SampledTokens, AreTwoOfEveryRunOfEveryRank) {
  for (const Layout layout : {Layout::contiguous, Layout::striped, Layout::zigzag}) {
    const Partition partition(layout, 1000, 8);
    const std::vector<std::int64_t> tokens = sampled_tokens(partition, 0, seed);
    for (std::int64_t rank = 0; rank < 8; ++rank) {
      for (const TokenRun& run : partition.runs(rank)) {
        const auto is_of_run = [&](std::int64_t token) {
          const std::int64_t place = token - run.token;
          return place >= 0 && place % run.stride == 0 && place / run.stride < run.count;
        };
        EXPECT_GE(std::ranges::count_if(tokens, is_of_run), 2) << name_of(layout) << ", rank " << rank;
      }
    }
    EXPECT_NE(tokens, sampled_tokens(partition, 0, seed + 1));
    EXPECT_NE(tokens, sampled_tokens(partition, 1, seed));
  }
}

/// Without a draw there is nothing to choose: all tokens of the shortest sequences.
TEST(SampledTokens, AreAllOfTheShortest) {
  EXPECT_EQ(sampled_tokens(Partition(Layout::zigzag, 1, 4), 0, seed), (std::vector<std::int64_t>{0}));
  EXPECT_EQ(sampled_tokens(Partition(Layout::striped, 3, 2), 0, seed), (std::vector<std::int64_t>{0, 1, 2}));
}

}  // namespace
}  // namespace ringworld
