/// @file  Rate tables: what a file must say, and rates between the shapes that were measured.

#include "perf/rate_table.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace ringworld::test {
namespace {

constexpr std::string_view measured = R"(
[source]
machine = "a \"quiet\" node"
dtype = "float32"
date = "2026-11-28"
record = "bench.h5 row 3"

[[attention]]
pass = "forward"
causal = true
query_tokens = 256
key_tokens = 256
head_size = 64
heads = 8
flops_per_second = 4e10
lowest = 3e10
highest = 5e10

[[attention]]
pass = "forward"
causal = true
query_tokens = 1024
key_tokens = 1024
head_size = 64
heads = 8
flops_per_second = 16e10

[[attention]]
pass = "forward"
causal = false
query_tokens = 256
key_tokens = 1024
head_size = 64
heads = 8
flops_per_second = 7e10

[[matmul]]
m = 64
n = 32
k = 32
flops_per_second = 1e9

[[matmul]]
m = 64
n = 128
k = 32
flops_per_second = 4e9

[memory]
bytes_per_second = 1e10

[[link]]
level = "node"
bytes_per_second = 2e9
latency = 1e-6
)";

RateTable table() { return parse_rate_table(measured, "rates.toml"); }

AttentionShape causal(std::int64_t tokens) {
  return {.is_causal = true, .query_tokens = tokens, .key_tokens = tokens, .head_size = 64, .heads = 8};
}

TEST(RateTable, MeasuredShapesHaveTheirRates) {
  const RateAt rate = table().attention_rate(causal(256));
  EXPECT_DOUBLE_EQ(rate.rate.value, 4e10);
  EXPECT_DOUBLE_EQ(rate.rate.lowest, 3e10);
  EXPECT_DOUBLE_EQ(rate.rate.highest, 5e10);
  EXPECT_FALSE(rate.is_extrapolated);
  EXPECT_DOUBLE_EQ(table().attention_rate(causal(1024)).rate.lowest, 16e10) << "one number is all three";
}

TEST(RateTable, RatesBetweenShapesAreLinearInLogarithms) {
  const RateAt rate = table().attention_rate(causal(512));
  EXPECT_NEAR(rate.rate.value, 8e10, 1) << "a rate that grows with T meets T / 2 exactly";
  EXPECT_FALSE(rate.is_extrapolated);
  EXPECT_NEAR(table().matmul_rate({.m = 64, .n = 64, .k = 32}).rate.value, 2e9, 1);
}

TEST(RateTable, OutsideIsTheNearestAndMarked) {
  const RateAt shorter = table().attention_rate(causal(64));
  EXPECT_DOUBLE_EQ(shorter.rate.value, 4e10);
  EXPECT_TRUE(shorter.is_extrapolated);
  const RateAt longer = table().attention_rate(causal(4096));
  EXPECT_DOUBLE_EQ(longer.rate.value, 16e10);
  EXPECT_TRUE(longer.is_extrapolated);
  EXPECT_TRUE(table().matmul_rate({.m = 65, .n = 64, .k = 32}).is_extrapolated);
}

TEST(RateTable, AnotherHeadSizeOrNumberOfHeadsIsMarked) {
  AttentionShape other = causal(256);
  other.head_size = 128;
  EXPECT_DOUBLE_EQ(table().attention_rate(other).rate.value, 4e10);
  EXPECT_TRUE(table().attention_rate(other).is_extrapolated);
  other = causal(256);
  other.heads = 4;
  EXPECT_TRUE(table().attention_rate(other).is_extrapolated);
}

TEST(RateTable, WholeBlocksAndDiagonalsAreApart) {
  const AttentionShape whole{.query_tokens = 256, .key_tokens = 1024, .head_size = 64, .heads = 8};
  EXPECT_DOUBLE_EQ(table().attention_rate(whole).rate.value, 7e10);
  EXPECT_FALSE(table().attention_rate(whole).is_extrapolated);
}

TEST(RateTable, APassThatWasNotMeasuredHasNoRate) {
  AttentionShape backward = causal(256);
  backward.is_backward = true;
  EXPECT_THROW(static_cast<void>(table().attention_rate(backward)), Error);
  EXPECT_THROW(static_cast<void>(RateTable().matmul_rate({.m = 1, .n = 1, .k = 1})), Error);
  EXPECT_THROW(static_cast<void>(RateTable().link(LinkLevel::node)), Error);
}

TEST(RateTable, ALevelThatWasNotMeasuredHasTheRateOfTheOther) {
  EXPECT_DOUBLE_EQ(table().link(LinkLevel::network).seconds(2e9), 1 + 1e-6);
}

TEST(RateTable, ItsTextIsReadAsTheSameTable) {
  const RateTable before = table();
  const RateTable after = parse_rate_table(before.to_toml(), "copy");
  EXPECT_EQ(after.to_toml(), before.to_toml());
  EXPECT_EQ(after.source.machine, "a \"quiet\" node");
  EXPECT_EQ(after.digest(), before.digest());
  EXPECT_EQ(after.attention.size(), 3U);
}

TEST(RateTable, DigestsTellRatesApart) {
  RateTable other = table();
  other.attention[0].flops_per_second.lowest *= 0.99;
  EXPECT_NE(other.digest(), table().digest());
}

/// The message of the error that reading the text gives.
std::string error_of(const std::string& text) {
  try {
    static_cast<void>(parse_rate_table(text, "rates.toml"));
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

TEST(RateTable, ErrorsNameTableAndKey) {
  EXPECT_NE(error_of("[[attention]]\npass = \"forward\"\n").find("[[attention]] 1: causal is missing"),
            std::string::npos);
  EXPECT_NE(error_of("[memory]\nbytes_per_second = 0\n").find("bytes_per_second must be positive"), std::string::npos);
  EXPECT_NE(error_of("[memory]\nbytes_per_second = 1\nspeed = 2\n").find("unknown key 'speed'"), std::string::npos);
  EXPECT_NE(error_of("[memory]\nbytes_per_second = 1\nlowest = 2\nhighest = 3\n").find("not below lowest"),
            std::string::npos);
  EXPECT_NE(error_of("[[link]]\nlevel = \"moon\"\n").find("'moon' is none of node, network"), std::string::npos);
  EXPECT_NE(error_of("x = \n").find("rates.toml:1"), std::string::npos);
}

}  // namespace
}  // namespace ringworld::test
