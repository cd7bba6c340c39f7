#include "kernels/rope/rope_scaling.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "kernels/rope/rope.hpp"
#include "support/expect_error.hpp"
#include "support/random_tensors.hpp"

namespace ringworld::test {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t head_size = 32;

RopeScaling scaling_of(const Json& golden) {
  const std::string name = golden.at("rope_type");
  RopeScaling scaling;
  if (name == "longrope") {  // its factors in short sequences are those in long ones
    return {.kind = RopeScalingKind::per_pair, .pair_factors = golden.at("long_factor")};
  }
  while (rope_scaling_names.at(static_cast<std::size_t>(scaling.kind)) != name) {
    scaling.kind = static_cast<RopeScalingKind>(static_cast<int>(scaling.kind) + 1);
  }
  scaling.factor = golden.at("factor");
  scaling.original_context = golden.value("original_max_position_embeddings", 8192.0);
  scaling.low_frequency_factor = golden.value("low_freq_factor", scaling.low_frequency_factor);
  scaling.high_frequency_factor = golden.value("high_freq_factor", scaling.high_frequency_factor);
  scaling.beta_fast = golden.value("beta_fast", scaling.beta_fast);
  scaling.beta_slow = golden.value("beta_slow", scaling.beta_slow);
  if (scaling.kind == RopeScalingKind::yarn) {
    scaling.attention_factor = golden.value("attention_factor", yarn_attention_factor(scaling.factor));
  }
  return scaling;
}

TEST(RopeScaling, EqualsTransformersFarPastTheNativeLength) {
  std::ifstream file(RINGWORLD_GOLDEN_ROPE);
  const Json cases = Json::parse(file);
  ASSERT_EQ(cases.size(), 20U);
  for (const Json& golden : cases) {
    SCOPED_TRACE(golden.dump().substr(0, 160));
    ASSERT_EQ(golden.at("head_size"), head_size);
    const auto positions = golden.at("positions").get<std::vector<std::int64_t>>();
    Tensor<float, 2> cosine({std::ssize(positions), head_size / 2});
    Tensor<float, 2> sine({std::ssize(positions), head_size / 2});
    build_rope_table(positions,
                     {.head_size = head_size,
                      .theta = golden.at("rope_theta"),
                      .scaling = scaling_of(golden),
                      .context_length = positions.back() + 1},
                     cosine.view(), sine.view());
    for (std::size_t row = 0; row < positions.size(); ++row) {
      for (std::size_t i = 0; i < head_size / 2; ++i) {
        // Both sides compute frequencies in fp32 and differ by one or two units in the last place, 1.2e-7 each; the
        // product with the position is rounded once more.
        const double angle = static_cast<double>(positions[row]) * golden.at("frequencies").at(i).get<double>();
        const double tolerance = 1e-6 + 5 * 6e-8 * angle;
        EXPECT_NEAR(cosine.view()(row, i), golden.at("cosine").at(row).at(i).get<double>(), tolerance);
        EXPECT_NEAR(sine.view()(row, i), golden.at("sine").at(row).at(i).get<double>(), tolerance);
      }
    }
  }
}

TEST(RopeScaling, RefusesNumbersThatMakeNoSense) {
  const RopeScaling llama3{.kind = RopeScalingKind::llama3, .factor = 8, .original_context = 8192};
  const auto expect_refused = [](RopeScaling scaling, std::string_view key) {
    expect_error(ErrorKind::bad_input, [&] { validate(scaling, head_size); }, {key});
  };
  validate(llama3, head_size);
  RopeScaling wrong = llama3;
  wrong.factor = -8;
  expect_refused(wrong, "factor");
  wrong = llama3;
  wrong.original_context = 0;
  expect_refused(wrong, "original_max_position_embeddings");
  wrong = llama3;
  wrong.high_frequency_factor = wrong.low_frequency_factor;
  expect_refused(wrong, "high_freq_factor");
  wrong = {.kind = RopeScalingKind::yarn, .factor = 4, .original_context = 8192, .beta_slow = std::nan("")};
  expect_refused(wrong, "beta_slow");
  wrong = {.kind = RopeScalingKind::dynamic, .factor = 0.5, .original_context = 8192};
  expect_refused(wrong, "factor");
  wrong = {.kind = RopeScalingKind::per_pair, .pair_factors = {1, 2}};
  expect_refused(wrong, "2 factors of pairs, and heads of 32 elements have 16 pairs");
  wrong.pair_factors.assign(16, 0);
  expect_refused(wrong, "a pair's factor is 0");
}

TEST(RopeScaling, DynamicLeavesShortSequencesAlone) {
  const RopeScaling dynamic{.kind = RopeScalingKind::dynamic, .factor = 4, .original_context = 100};
  EXPECT_EQ(theta_of_length(dynamic, 500, head_size, 100), 500);
  EXPECT_GT(theta_of_length(dynamic, 500, head_size, 101), 500);
  EXPECT_EQ(theta_of_length({}, 500, head_size, 1000), 500);
}

}  // namespace
}  // namespace ringworld::test
