#include "model/initialization.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

std::vector<float> values_of(const ParameterLayout& layout, std::int64_t unit, std::string_view ending,
                             const InitialWeights& initialization, std::uint64_t seed = 1) {
  const TensorLayout& tensor = layout.unit(unit).tensor(ending);
  std::vector<float> values(static_cast<std::size_t>(tensor.local_elements()));
  initialize(layout.config(), tensor, initialization, seed, 0, values);
  return values;
}

double deviation_of(const std::vector<float>& values) {
  double squares = 0;
  for (const float value : values) {
    squares += static_cast<double>(value) * value;
  }
  return std::sqrt(squares / static_cast<double>(values.size()));
}

TEST(Initialization, DrawsTheStandardDeviationsOfItsKind) {
  const ParameterLayout layout(model_preset("needle"), 1, 0);
  EXPECT_NEAR(deviation_of(values_of(layout, 0, "embed_tokens.weight", Initialization::lwm)), 0.02, 0.0002);
  EXPECT_NEAR(deviation_of(values_of(layout, 0, "embed_tokens.weight", Initialization::needle)), 1.0 / 8, 0.001);
  EXPECT_NEAR(deviation_of(values_of(layout, 1, "gate_proj.weight", Initialization::needle)), 1.0 / 8, 0.003);
  EXPECT_NEAR(deviation_of(values_of(layout, 1, "o_proj.weight", Initialization::needle)), 1.0 / 16, 0.003);
  EXPECT_NEAR(deviation_of(values_of(layout, 1, "down_proj.weight", Initialization::needle)),
              1.0 / (2 * std::sqrt(192.0)), 0.002);
}

TEST(Initialization, TensorsAndSeedsDiffer) {
  const ParameterLayout layout(model_preset("needle"), 1, 0);
  const auto first = values_of(layout, 1, "q_proj.weight", Initialization::lwm);
  EXPECT_NE(first, values_of(layout, 1, "k_proj.weight", Initialization::lwm));
  EXPECT_NE(first, values_of(layout, 2, "q_proj.weight", Initialization::lwm));
  EXPECT_NE(first, values_of(layout, 1, "q_proj.weight", Initialization::lwm, 2));
  EXPECT_EQ(first, values_of(layout, 1, "q_proj.weight", Initialization::lwm));
}

void expect_peaks(const InitialWeights& initial, const std::array<std::int64_t, 4>& offsets) {
  for (const RopePairing pairing : {RopePairing::half_split, RopePairing::interleaved}) {
    ModelConfig config = model_preset("needle");
    config.rope_pairing = pairing;
    const ParameterLayout layout(config, 1, 0);
    const auto q = values_of(layout, 1, "q_proj.bias", initial);
    const auto k = values_of(layout, 1, "k_proj.bias", initial);
    for (std::int64_t head = 0; head < 4; ++head) {
      const std::int64_t offset = offsets[static_cast<std::size_t>(head)];
      const auto logit = [&](std::int64_t distance) {
        double sum = 0;
        for (std::int64_t pair = 0; pair < 8; ++pair) {
          const bool is_split = pairing == RopePairing::half_split;
          const auto first = static_cast<std::size_t>(16 * head + (is_split ? pair : 2 * pair));
          const std::size_t second = first + (is_split ? 8 : 1);
          const double angle = static_cast<double>(distance) * std::pow(512.0, -2.0 * static_cast<double>(pair) / 16);
          const double turned = q[first] * std::cos(angle) - q[second] * std::sin(angle);
          const double turned_second = q[first] * std::sin(angle) + q[second] * std::cos(angle);
          sum += turned * k[first] + turned_second * k[second];
        }
        return sum / 4;
      };
      EXPECT_NEAR(logit(offset), 6.0, 1e-5);
      for (std::int64_t distance = 0; distance < 64; ++distance) {
        if (distance != offset) {
          EXPECT_LT(logit(distance), 5.99) << "head " << head << " distance " << distance;
        }
      }
    }
  }
}

TEST(Initialization, NeedleHeadsPeakAtTheirOffset) {
  expect_peaks(Initialization::needle, {1, 2, 3, 4});
  expect_peaks({Initialization::needle, {1, 4, 5, 17}}, {1, 4, 5, 17});
}

TEST(Initialization, AHeadWithoutAnOffsetLooksNowhere) {
  const ParameterLayout layout(model_preset("needle"), 1, 0);
  const auto q = values_of(layout, 1, "q_proj.bias", {Initialization::needle, {4}});
  EXPECT_NE(q[0], 0.0F);
  for (std::size_t element = 16; element < q.size(); ++element) {
    EXPECT_EQ(q[element], 0.0F);
  }
}

TEST(Initialization, RefusesOffsetsThatCannotBe) {
  const ModelConfig config = model_preset("needle");
  validate(InitialWeights(Initialization::needle, {1, 4, 5, 17}), config);
  const auto refuse = [&](const InitialWeights& initial, std::string_view part) {
    expect_error(ErrorKind::bad_input, [&] { validate(initial, config); }, {"positional_offsets", part});
  };
  refuse({Initialization::needle, {1, 2, 3, 4, 5}}, "4 heads");
  refuse({Initialization::needle, {0}}, "1 token or more");
  refuse({Initialization::lwm, {1}}, "initialization = \"needle\"");
}

TEST(Initialization, OnlyLayerZeroIsPositionalAndNormsAreOne) {
  const ParameterLayout layout(model_preset("needle"), 1, 0);
  for (const float value : values_of(layout, 2, "q_proj.bias", Initialization::needle)) {
    EXPECT_EQ(value, 0.0F);
  }
  for (const float value : values_of(layout, 2, "input_layernorm.weight", Initialization::needle)) {
    EXPECT_EQ(value, 1.0F);
  }
}

TEST(Initialization, NamesAreParsed) {
  EXPECT_EQ(parse_initialization("needle"), Initialization::needle);
  expect_error(ErrorKind::bad_input, [] { static_cast<void>(parse_initialization("lmw")); }, {"lmw", "lwm"});
}

}  // namespace
}  // namespace ringworld::test
