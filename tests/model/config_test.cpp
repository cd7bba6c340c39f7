#include "model/config.hpp"

#include <gtest/gtest.h>

#include "model/flop.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

TEST(ModelConfig, SevenBillionHasItsPublishedParameterCount) {
  EXPECT_EQ(parameter_count(model_preset("7b")), 6'738'415'616);
}

TEST(ModelConfig, TheNeedleModelHasTheRecipesParameterCount) {
  EXPECT_EQ(parameter_count(model_preset("needle")), 217'984);
}

TEST(ModelConfig, EveryPresetIsValid) {
  for (const auto name : model_preset_names) {
    EXPECT_NO_THROW(validate(model_preset(name))) << name;
  }
}

TEST(ModelConfig, AnUnknownPresetNamesTheNearest) {
  expect_error(ErrorKind::bad_input, [] { static_cast<void>(model_preset("7B")); }, {"7B", "7b"});
}

TEST(ModelConfig, RefusesWhatCannotBe) {
  const auto refuses = [](auto change, std::initializer_list<std::string_view> parts) {
    ModelConfig config = model_preset("debug");
    change(config);
    expect_error(ErrorKind::bad_input, [&] { validate(config); }, parts);
  };
  refuses([](ModelConfig& config) { config.layers = 0; }, {"layers", "1 or more"});
  refuses([](ModelConfig& config) { config.heads = 3; }, {"3 heads", "kv_heads"});
  refuses([](ModelConfig& config) { config.head_size = 17; }, {"head_size is 17", "even"});
  refuses([](ModelConfig& config) { config.rope_theta = -1; }, {"rope_theta"});
  refuses([](ModelConfig& config) { config.rms_norm_eps = 0; }, {"rms_norm_eps"});
}

TEST(ModelFlop, MatchesTheFormulaOfLwm) {
  // 6 N + 12 L h S (full) and 6 N + 6 L h (S + 1) (causal) a token, N = 6.607e9: all parameters but the embedding and
  // the norms.
  const ModelConfig config = model_preset("7b");
  const double weights = 32.0 * (4.0 * 4096 * 4096 + 3.0 * 4096 * 11008) + 32000.0 * 4096;
  const double context = 1048576;
  EXPECT_DOUBLE_EQ(training_flop_per_token(config, 1048576, false), 6 * weights + 12.0 * 32 * 4096 * context);
  EXPECT_DOUBLE_EQ(training_flop_per_token(config, 1048576, true), 6 * weights + 6.0 * 32 * 4096 * (context + 1));
}

TEST(ModelFlop, CountsTheHeadForItsShareOfTokens) {
  const ModelConfig config = model_preset("debug");
  EXPECT_DOUBLE_EQ(forward_flop_per_token(config, 64, true, 1.0) - forward_flop_per_token(config, 64, true, 0.5),
                   256.0 * 32000);
}

}  // namespace
}  // namespace ringworld::test
