#include "kernels/optimizer/optimizer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/elementwise/backend_case.hpp"
#include "kernels/elementwise/finite_difference.hpp"
#include "support/device_mirror.hpp"
#include "support/expect_error.hpp"
#include "support/random_tensors.hpp"

namespace ringworld::test {
namespace {

/// Parameters and moments with guards round them.
struct State {
  Tensor<float, 1> parameter;
  Tensor<float, 1> gradient;
  Tensor<float, 1> first_moment;
  Tensor<float, 1> second_moment;
  Tensor<bf16, 1> copy;

  explicit State(std::int64_t count)
      : parameter({count}), gradient({count}), first_moment({count}), second_moment({count}), copy({count}) {
    fill(parameter.values(), 1);
  }

  static void fill(std::span<float> values, std::uint64_t stream) {
    std::ranges::copy(normal_doubles(values.size(), stream), values.begin());
  }

  [[nodiscard]] AdamWRange range(bool has_copy) {
    return {.parameter = parameter.values(),
            .gradient = gradient.values(),
            .first_moment = first_moment.values(),
            .second_moment = second_moment.values(),
            .bfloat16_copy = has_copy ? copy.values() : std::span<bf16>()};
  }

  [[nodiscard]] bool guards_are_intact() const {
    return parameter.guards_are_intact() && gradient.guards_are_intact() && first_moment.guards_are_intact() &&
           second_moment.guards_are_intact() && copy.guards_are_intact();
  }
};

AdamWRange on_device(DeviceMirror& on, const AdamWRange& range) {
  return {.parameter = on(range.parameter),
          .gradient = on(range.gradient),
          .first_moment = on(range.first_moment),
          .second_moment = on(range.second_moment),
          .bfloat16_copy = on(range.bfloat16_copy)};
}

State run_steps(Backend backend, std::int64_t count, bool has_copy) {
  State state(count);
  const auto optimizer = make_optimizer(backend);
  for (std::int64_t step = 1; step <= 5; ++step) {
    State::fill(state.gradient.values(), static_cast<std::uint64_t>(10 + step));
    DeviceMirror on(backend);
    optimizer->adamw(on_device(on, state.range(has_copy)),
                     {.learning_rate = 0.01, .gradient_scale = 0.3, .step = step});
    on.fetch();
  }
  EXPECT_TRUE(state.guards_are_intact());
  return state;
}

class OptimizerCase : public BackendTest {};

TEST_P(OptimizerCase, AdamWEqualsReference) {
  const bool has_copy = dtype() == DType::bfloat16;
  for (const std::int64_t count : {1, 5, 40000}) {
    State actual = run_steps(backend(), count, has_copy);
    State expected = run_steps(Backend::reference, count, has_copy);
    EXPECT_TRUE(
        is_close("parameter", to_doubles(actual.parameter.view()), to_doubles(expected.parameter.view()), row_in_fp32));
    EXPECT_TRUE(
        is_close("m", to_doubles(actual.first_moment.view()), to_doubles(expected.first_moment.view()), row_in_fp32));
    EXPECT_TRUE(
        is_close("v", to_doubles(actual.second_moment.view()), to_doubles(expected.second_moment.view()), row_in_fp32));
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      const bf16 rounded = has_copy ? bf16(actual.parameter.values()[i]) : bf16();
      ASSERT_EQ(actual.copy.values()[i].bits, rounded.bits);
    }
  }
}

TEST_P(OptimizerCase, AdamWDoesNotDependOnHowParametersAreCut) {
  constexpr std::int64_t count = 1000;
  State whole = run_steps(backend(), count, true);
  State cut(count);
  const auto optimizer = make_optimizer(backend());
  for (std::int64_t step = 1; step <= 5; ++step) {
    State::fill(cut.gradient.values(), static_cast<std::uint64_t>(10 + step));
    DeviceMirror on(backend());
    const AdamWRange all = on_device(on, cut.range(true));
    std::size_t begin = 0;
    for (const std::size_t length : {std::size_t{333}, std::size_t{1}, std::size_t{666}}) {
      optimizer->adamw({.parameter = all.parameter.subspan(begin, length),
                        .gradient = all.gradient.subspan(begin, length),
                        .first_moment = all.first_moment.subspan(begin, length),
                        .second_moment = all.second_moment.subspan(begin, length),
                        .bfloat16_copy = all.bfloat16_copy.subspan(begin, length)},
                       {.learning_rate = 0.01, .gradient_scale = 0.3, .step = step});
      begin += length;
    }
    on.fetch();
  }
  EXPECT_TRUE(std::ranges::equal(whole.parameter.values(), cut.parameter.values()));
  EXPECT_TRUE(std::ranges::equal(whole.second_moment.values(), cut.second_moment.values()));
}

TEST_P(OptimizerCase, SumOfSquaresIsExactAndTheSameOnEveryInstructionSet) {
  const auto sum_of = [](Backend backend, std::span<const float> values) {
    DeviceMirror on(backend);
    return make_optimizer(backend)->sum_of_squares(on(values));
  };
  // Integers: every partial sum is exact, whatever the order.
  std::vector<float> values(100001);
  std::iota(values.begin(), values.end(), -50000.0F);
  EXPECT_EQ(sum_of(backend(), values), sum_of(Backend::reference, values));
  EXPECT_EQ(sum_of(backend(), std::span(values).subspan(1)), sum_of(Backend::reference, std::span(values).subspan(1)));
  std::ranges::copy(normal_doubles(values.size(), 1), values.begin());
  const double sum = sum_of(backend(), values);
  EXPECT_NEAR(sum, sum_of(Backend::reference, values), 1e-12 * sum);
  setenv("RINGWORLD_ISA", "portable", 1);
  EXPECT_EQ(sum, sum_of(backend(), values));
  EXPECT_EQ(sum_of(backend(), {}), 0.0);
  values[77] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(sum_of(backend(), values)));
}

INSTANTIATE_TEST_SUITE_P(Backends, OptimizerCase, testing::ValuesIn(backend_cases()), backend_case_name);

TEST(SumOfSquares, OfRangesIsThatOfEachInTheirOrder) {
  std::vector<float> values(7001);
  State::fill(values, 3);
  const std::span<const float> all(values);
  const std::vector<std::span<const float>> ranges{all.first(5), all.subspan(5, 0), all.subspan(5, 6000),
                                                   all.last(996)};
  for (const Backend backend : {Backend::reference, Backend::host}) {
    const auto optimizer = make_optimizer(backend);
    double expected = 0;
    for (const auto range : ranges) {
      expected += optimizer->sum_of_squares(range);
    }
    EXPECT_EQ(optimizer->sum_of_squares_of_ranges(ranges), expected) << name_of(backend);
    EXPECT_EQ(optimizer->sum_of_squares_of_ranges({}), 0.0) << name_of(backend);
  }
}

TEST(AdamW, FirstStepMovesByTheLearningRateAgainstTheGradient) {
  // With both moments corrected, m / sqrt(v) of the first step is the gradient's sign.
  State state(3);
  std::ranges::copy(std::array{4.0F, -1e-3F, 0.0F}, state.gradient.values().begin());
  std::ranges::fill(state.parameter.values(), 2.0F);
  make_optimizer(Backend::reference)->adamw(state.range(false), {.learning_rate = 0.1, .weight_decay = 0.5});
  constexpr double decayed = 2.0 * (1 - 0.1 * 0.5);
  EXPECT_NEAR(state.parameter.values()[0], decayed - 0.1, 1e-6);
  EXPECT_NEAR(state.parameter.values()[1], decayed + 0.1, 1e-5);
  EXPECT_NEAR(state.parameter.values()[2], decayed, 1e-6);
}

TEST(AdamW, RefusesWhatCannotBe) {
  State state(3);
  const auto step = [&](const AdamWRange& range, const AdamWOptions& options) {
    make_optimizer(Backend::reference)->adamw(range, options);
  };
  expect_error(ErrorKind::bad_input, [&] { step(state.range(false), {.step = 0}); }, {"from 1, not 0"});
  expect_error(ErrorKind::bad_input, [&] { step(state.range(false), {.beta2 = 1.0}); }, {"beta2", "below 1"});
  AdamWRange range = state.range(true);
  range.bfloat16_copy = range.bfloat16_copy.first(2);
  expect_error(ErrorKind::internal, [&] { step(range, {}); }, {"bfloat16_copy"});
}

}  // namespace
}  // namespace ringworld::test
