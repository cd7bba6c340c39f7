/// @file  Inputs of the probe: exact in bfloat16, and far from each other where they must not match.

#include "probe/probe.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/error.hpp"
#include "support/expect_error.hpp"

namespace ringworld {
namespace {

constexpr std::array operands{ProbeOperand::q, ProbeOperand::k, ProbeOperand::v, ProbeOperand::dout};

ProbeOptions options_of(std::int64_t context_length, std::int64_t head_size) {
  return {.problem = {.context_length = context_length, .heads = 8, .kv_heads = 8, .head_size = head_size}, .seed = 3};
}

TEST(Probe, HasNumbersThatBfloat16Holds) {
  for (const std::int64_t size : {16, 24, 64, 100, 256}) {
    const ProbeOptions options = options_of(300, size);
    for (std::int64_t h = 0; h < 8; ++h) {
      const ProbeHead head(options, 0, h);
      std::vector<float> row(static_cast<std::size_t>(size));
      for (std::int64_t token = 0; token < 300; ++token) {
        for (const ProbeOperand operand : operands) {
          head.write(operand, token, row);
          for (const float value : row) {
            ASSERT_EQ(static_cast<float>(bf16(value)), value) << "head size " << size << ", head " << h;
          }
        }
      }
    }
  }
}

/// A query scores what the member's weight says with the keys of its group; others vanish beside it in fp32.
TEST(Probe, ScoresNothingButTheGroupThatIsAskedFor) {
  for (const std::int64_t size : {16, 32, 64, 256}) {
    const ProbeOptions options = options_of(200, size);
    for (std::int64_t h = 0; h < 8; ++h) {
      const ProbeHead head(options, 0, h);
      std::vector<float> q(static_cast<std::size_t>(size));
      std::vector<float> k(static_cast<std::size_t>(size));
      for (std::int64_t query = 0; query < 200; ++query) {
        head.write(ProbeOperand::q, query, q);
        for (std::int64_t key = 0; key < 200; ++key) {
          head.write(ProbeOperand::k, key, k);
          double score = 0;
          for (std::size_t d = 0; d < q.size(); ++d) {
            score += static_cast<double>(q[d]) * static_cast<double>(k[d]);
          }
          score *= head.scale();
          if (head.groups().group_of(key) == head.group_asked_by(query)) {
            ASSERT_NEAR(score, std::log(head.weight_of(head.groups().member_of(key))), 1e-9);
            ASSERT_LE(score, 0);
          } else {
            ASSERT_LE(score, -2048 / std::sqrt(static_cast<double>(size)));
          }
        }
      }
    }
  }
}

TEST(Probe, GivesEveryKeyHeadItsOwnCodes) {
  const ProbeHead first(options_of(64, 64), 0, 0);
  const ProbeHead second(options_of(64, 64), 0, 4);  // of the same form
  ASSERT_EQ(first.groups().form(), second.groups().form());
  std::vector<float> one(64);
  std::vector<float> other(64);
  for (std::int64_t token = 0; token < 64; ++token) {
    first.write(ProbeOperand::k, token, one);
    second.write(ProbeOperand::k, token, other);
    EXPECT_NE(one, other) << "token " << token;
  }
}

TEST(Probe, SaysWhichLengthsItReaches) {
  const auto reaches = [](std::int64_t length, std::int64_t size) {
    return Probe::reaches(options_of(length, size).problem);
  };
  EXPECT_TRUE(reaches(2048, 8));
  EXPECT_FALSE(reaches(2049, 8));
  EXPECT_TRUE(reaches(std::int64_t{1} << 20, 16));
  EXPECT_FALSE(reaches((std::int64_t{1} << 20) + 1, 16));
  EXPECT_TRUE(reaches(std::int64_t{1} << 30, 32));
  test::expect_error(ErrorKind::bad_input, [] { const Probe probe(options_of(4096, 8)); });
}

TEST(Probe, IsTheSameForAnyLayoutAndNumberOfThreads) {
  const ProbeOptions options = options_of(61, 32);
  const Probe probe(options);
  std::vector<float> whole(61 * 8 * 32);
  probe.fill(ProbeOperand::q, Partition(Layout::contiguous, 61, 1), 0, {whole.data(), DType::float32, {1, 61, 8, 32}},
             1);
  for (const Layout layout : {Layout::contiguous, Layout::striped, Layout::zigzag}) {
    const Partition partition(layout, 61, 3);
    for (std::int64_t rank = 0; rank < 3; ++rank) {
      std::vector<float> part(static_cast<std::size_t>(partition.tokens(rank) * 8 * 32));
      probe.fill(ProbeOperand::q, partition, rank, {part.data(), DType::float32, {1, partition.tokens(rank), 8, 32}},
                 2);
      for (const TokenRun& run : partition.runs(rank)) {
        for (std::int64_t i = 0; i < run.count; ++i) {
          const auto* row = part.data() + (run.token_local + i) * 8 * 32;
          const auto* expected = whole.data() + (run.token + i * run.stride) * 8 * 32;
          EXPECT_TRUE(std::equal(row, row + 8 * 32, expected)) << name_of(layout);
        }
      }
    }
  }
}

}  // namespace
}  // namespace ringworld
