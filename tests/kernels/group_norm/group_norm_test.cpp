#include "kernels/group_norm/group_norm.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "kernels/elementwise/backend_case.hpp"
#include "kernels/elementwise/finite_difference.hpp"
#include "kernels/elementwise/guarded_floats.hpp"
#include "kernels/group_norm/reference/group_norm.hpp"
#include "support/device_mirror.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

using Shape = std::array<std::int64_t, 4>;

struct Problem {
  Shape shape;
  std::int64_t groups;
};

/// One pixel, more pixels than a panel has, channels that fill no register, groups of one channel and of all.
constexpr std::array problems{Problem{{2, 3, 5, 32}, 32},  Problem{{1, 1, 1, 64}, 4},   Problem{{3, 7, 9, 96}, 32},
                              Problem{{1, 33, 31, 16}, 4}, Problem{{2, 5, 3, 4}, 4},    Problem{{1, 9, 16, 36}, 4},
                              Problem{{2, 2, 3, 17}, 1},   Problem{{1, 12, 5, 128}, 1}, Problem{{0, 4, 4, 32}, 4}};
constexpr std::array activations{Activation::none, Activation::silu};

struct Forward {
  std::vector<double> y, mean, rstd;
};

/// @param offset  added to every element, so that the mean is large against the spread
Forward run_forward(Backend backend, const Problem& problem, Activation activation, float offset = 0, int threads = 1) {
  const std::int64_t channels = problem.shape[3];
  GuardedFloats<4> x(problem.shape, 1), y(problem.shape, 2);
  GuardedFloats<1> scale({channels}, 3), bias({channels}, 4);
  GuardedFloats<2> mean({problem.shape[0], problem.groups}, 5), rstd({problem.shape[0], problem.groups}, 6);
  for (std::int64_t i = 0; i < x.view().size(); ++i) {
    x.view().data[i] += offset;
  }
  DeviceMirror on(backend);
  make_group_norm(backend, {.threads = threads})
      ->forward({.groups = problem.groups,
                 .epsilon = 1e-6F,
                 .activation = activation,
                 .x = on(x.view()),
                 .scale = on(scale.view()).data,
                 .bias = on(bias.view()).data,
                 .y = on(y.view()),
                 .mean = on(mean.view()),
                 .rstd = on(rstd.view())});
  on.fetch();
  EXPECT_TRUE(x.guards_are_intact() && y.guards_are_intact() && mean.guards_are_intact() && rstd.guards_are_intact());
  return {y.values(), mean.values(), rstd.values()};
}

struct Backward {
  std::vector<double> dx, dscale, dbias;
};

struct Statistics {
  GuardedFloats<2> mean, rstd;
};

/// The statistics of the oracle, so that backends are compared in the backward pass alone.
Statistics statistics_of(GuardedFloats<4>& x, const Problem& problem) {
  Statistics statistics{{{problem.shape[0], problem.groups}, 5}, {{problem.shape[0], problem.groups}, 6}};
  GuardedFloats<4> y(problem.shape, 2);
  const std::vector<float> ones(static_cast<std::size_t>(problem.shape[3]), 1.0F);
  make_group_norm(Backend::reference)
      ->forward({.groups = problem.groups,
                 .activation = Activation::none,
                 .x = x.view(),
                 .scale = ones.data(),
                 .bias = ones.data(),
                 .y = y.view(),
                 .mean = statistics.mean.view(),
                 .rstd = statistics.rstd.view()});
  return statistics;
}

enum class Destination : std::uint8_t { own, added_to, dy };

Backward run_backward(Backend backend, const Problem& problem, Activation activation, Destination destination,
                      int threads = 1) {
  const std::int64_t channels = problem.shape[3];
  GuardedFloats<4> x(problem.shape, 1), dy(problem.shape, 2), dx(problem.shape, 7);
  GuardedFloats<1> scale({channels}, 3), bias({channels}, 4), dscale({channels}, 8), dbias({channels}, 9);
  Statistics statistics = statistics_of(x, problem);
  GuardedFloats<4>& result = destination == Destination::dy ? dy : dx;
  DeviceMirror on(backend);
  make_group_norm(backend, {.threads = threads})
      ->backward({.groups = problem.groups,
                  .activation = activation,
                  .dy = on(dy.view()),
                  .x = on(x.view()),
                  .scale = on(scale.view()).data,
                  .bias = on(bias.view()).data,
                  .mean = on(statistics.mean.view()),
                  .rstd = on(statistics.rstd.view()),
                  .dx = on(result.view()),
                  .adds_to_dx = destination == Destination::added_to,
                  .dscale = on(dscale.view()).data,
                  .dbias = on(dbias.view()).data});
  on.fetch();
  EXPECT_TRUE(x.guards_are_intact() && dy.guards_are_intact() && dx.guards_are_intact() && dscale.guards_are_intact() &&
              dbias.guards_are_intact());
  return {result.values(), dscale.values(), dbias.values()};
}

class GroupNormCase : public BackendTest {};

TEST_P(GroupNormCase, ForwardEqualsReference) {
  for (const Problem& problem : problems) {
    for (const Activation activation : activations) {
      SCOPED_TRACE(testing::PrintToString(problem.shape));
      const Forward actual = run_forward(backend(), problem, activation);
      const Forward expected = run_forward(Backend::reference, problem, activation);
      EXPECT_TRUE(is_close("y", actual.y, expected.y, row_in_fp32));
      EXPECT_TRUE(is_close("mean", actual.mean, expected.mean, row_in_fp32, 1.0));
      EXPECT_TRUE(is_close("rstd", actual.rstd, expected.rstd, row_in_fp32));
    }
  }
}

/// The difference of two sums of squares would have no digit left, and the distances from a mean that is rounded to fp32
/// too few: 30000^2 has a rounding of 32, 30000 itself one of 1e-3.
TEST_P(GroupNormCase, ALargeMeanDoesNotSpoilTheVariance) {
  for (const Problem& problem : {Problem{{1, 33, 31, 16}, 4}, Problem{{2, 9, 16, 36}, 1}}) {
    const Forward actual = run_forward(backend(), problem, Activation::none, 30000.0F);
    const Forward expected = run_forward(Backend::reference, problem, Activation::none, 30000.0F);
    EXPECT_TRUE(is_close("rstd", actual.rstd, expected.rstd, row_in_fp32));
    // The mean is kept in fp32: every element of a group is shifted by its rounding.
    EXPECT_TRUE(is_close("y", actual.y, expected.y, {.rms = 1.5e-3, .largest = 1.5e-3}));
  }
}

TEST_P(GroupNormCase, EqualElementsBecomeTheBias) {
  GuardedFloats<4> x({2, 4, 4, 8}, 1), y({2, 4, 4, 8}, 2);
  std::fill_n(x.view().data, x.view().size(), 1234.5F);
  std::vector<float> scale(8, 2.0F), bias{0, 1, 2, 3, 4, 5, 6, 7}, mean(4), rstd(4);
  DeviceMirror on(backend());
  make_group_norm(backend())->forward({.groups = 2,
                                       .epsilon = 1e-6F,
                                       .activation = Activation::none,
                                       .x = on(x.view()),
                                       .scale = on(scale).data(),
                                       .bias = on(bias).data(),
                                       .y = on(y.view()),
                                       .mean = {on(mean).data(), {2, 2}},
                                       .rstd = {on(rstd).data(), {2, 2}}});
  on.fetch();
  for (std::int64_t i = 0; i < y.view().size(); ++i) {
    ASSERT_EQ(y.view().data[i], static_cast<float>(i % 8));
  }
  EXPECT_NEAR(rstd[3], 1e3F, 1e-2F);
}

TEST_P(GroupNormCase, TheResultMayReplaceItsOperand) {
  const Problem problem{{2, 9, 7, 36}, 4};
  const Forward apart = run_forward(backend(), problem, Activation::silu);
  GuardedFloats<4> x(problem.shape, 1);
  GuardedFloats<1> scale({36}, 3), bias({36}, 4);
  GuardedFloats<2> mean({2, 4}, 5), rstd({2, 4}, 6);
  DeviceMirror on(backend());
  const TensorView<float, 4> there = on(x.view());
  make_group_norm(backend())->forward({.groups = 4,
                                       .epsilon = 1e-6F,
                                       .activation = Activation::silu,
                                       .x = there,
                                       .scale = on(scale.view()).data,
                                       .bias = on(bias.view()).data,
                                       .y = there,
                                       .mean = on(mean.view()),
                                       .rstd = on(rstd.view())});
  on.fetch();
  EXPECT_EQ(x.values(), apart.y);
}

TEST_P(GroupNormCase, BackwardEqualsReference) {
  for (const Problem& problem : problems) {
    for (const Activation activation : activations) {
      for (const Destination destination : {Destination::own, Destination::added_to, Destination::dy}) {
        SCOPED_TRACE(testing::PrintToString(problem.shape));
        const Backward actual = run_backward(backend(), problem, activation, destination);
        const Backward expected = run_backward(Backend::reference, problem, activation, destination);
        EXPECT_TRUE(is_close("dx", actual.dx, expected.dx, row_in_fp32, 1.0));
        EXPECT_TRUE(is_close("dscale", actual.dscale, expected.dscale, row_in_fp32, 1.0));
        EXPECT_TRUE(is_close("dbias", actual.dbias, expected.dbias, row_in_fp32, 1.0));
      }
    }
  }
}

/// A frame that is computed alone has the bits that it has beside others.
TEST_P(GroupNormCase, FramesDoNotDependOnEachOther) {
  const Problem three{{3, 30, 20, 24}, 4};
  const Problem one{{1, 30, 20, 24}, 4};
  const std::size_t frame = 30 * 20 * 24;
  const Forward together = run_forward(backend(), three, Activation::silu);
  const Forward alone = run_forward(backend(), one, Activation::silu);
  EXPECT_TRUE(std::equal(alone.y.begin(), alone.y.end(), together.y.begin()));
  EXPECT_TRUE(std::equal(alone.rstd.begin(), alone.rstd.end(), together.rstd.begin()));
  const Backward gradients_together = run_backward(backend(), three, Activation::silu, Destination::own);
  const Backward gradients_alone = run_backward(backend(), one, Activation::silu, Destination::own);
  ASSERT_EQ(gradients_alone.dx.size(), frame);
  EXPECT_TRUE(std::equal(gradients_alone.dx.begin(), gradients_alone.dx.end(), gradients_together.dx.begin()));
}

INSTANTIATE_TEST_SUITE_P(Backends, GroupNormCase, testing::ValuesIn(float32_backend_cases()), backend_case_name);

TEST(GroupNorm, ThreadsDoNotChangeAResult) {
  const Problem problem{{3, 30, 20, 24}, 4};
  EXPECT_EQ(run_forward(Backend::host, problem, Activation::silu).y,
            run_forward(Backend::host, problem, Activation::silu, 0, 2).y);
  const Backward one = run_backward(Backend::host, problem, Activation::silu, Destination::own, 1);
  const Backward two = run_backward(Backend::host, problem, Activation::silu, Destination::own, 2);
  EXPECT_EQ(one.dx, two.dx);
  EXPECT_EQ(one.dscale, two.dscale);
  EXPECT_EQ(one.dbias, two.dbias);
}

TEST(GroupNorm, GradientsEqualFiniteDifferences) {
  constexpr std::size_t pixels = 6;
  constexpr std::size_t channels = 4;
  constexpr double epsilon = 0.1;  // large enough that a gradient which forgets it fails
  const std::vector<double> x = normal_doubles(pixels * channels, 1);
  const std::vector<double> scale = normal_doubles(channels, 2);
  const std::vector<double> bias = normal_doubles(channels, 3);
  const std::vector<double> dy = normal_doubles(x.size(), 4);
  for (const std::size_t groups : {1, 2, 4}) {
    for (const Activation activation : activations) {
      std::vector<double> y(x.size()), mean(groups), rstd(groups);
      const auto loss = [&](const auto& at_x, const auto& at_scale, const auto& at_bias) {
        reference::group_norm<double>(at_x, at_scale, at_bias, epsilon, activation, y, mean, rstd);
        return dot(dy, y);
      };
      static_cast<void>(loss(x, scale, bias));
      std::vector<double> dx(x.size()), dscale(channels), dbias(channels);
      reference::group_norm_backward<double>(dy, x, scale, bias, activation, std::vector(mean), std::vector(rstd),
                                             false, dx, dscale, dbias);
      expect_gradient("dx", x, dx, [&](const auto& at) { return loss(at, scale, bias); });
      expect_gradient("dscale", scale, dscale, [&](const auto& at) { return loss(x, at, bias); });
      expect_gradient("dbias", bias, dbias, [&](const auto& at) { return loss(x, scale, at); });
    }
  }
}

TEST(GroupNorm, RefusesShapesThatContradictEachOther) {
  GuardedFloats<4> x({2, 3, 3, 12}, 1);
  std::vector<float> channel(12), statistics(8);
  const GroupNormForward good{.groups = 4,
                              .x = x.view(),
                              .scale = channel.data(),
                              .bias = channel.data(),
                              .y = x.view(),
                              .mean = {statistics.data(), {2, 4}},
                              .rstd = {statistics.data(), {2, 4}}};
  const auto refuses = [&](const auto& change, std::string_view message) {
    GroupNormForward pass = good;
    change(pass);
    expect_error(ErrorKind::internal, [&] { make_group_norm(Backend::reference)->forward(pass); }, {message});
  };
  refuses([](auto& pass) { pass.groups = 5; }, "do not divide");
  refuses([](auto& pass) { pass.groups = 0; }, "do not divide");
  refuses([](auto& pass) { pass.y = pass.y.slice(0, 0, 1); }, "y has not the shape of x");
  refuses([](auto& pass) { pass.x = pass.x.slice(3, 0, 8); }, "x is not dense");
  refuses([](auto& pass) { pass.mean.shape = {2, 3}; }, "mean or rstd");
  refuses([](auto& pass) { pass.x.shape[1] = 0; }, "have no mean");
  refuses([](auto& pass) { pass.bias = nullptr; }, "scale or bias");
  GroupNormBackward backward{.groups = 4,
                             .dy = x.view(),
                             .x = x.view(),
                             .scale = channel.data(),
                             .bias = channel.data(),
                             .mean = good.mean,
                             .rstd = good.rstd,
                             .dx = x.view(),
                             .adds_to_dx = true,
                             .dscale = channel.data(),
                             .dbias = channel.data()};
  const auto run = [&] { make_group_norm(Backend::reference)->backward(backward); };
  expect_error(ErrorKind::internal, run, {"it cannot be dy"});
  backward.adds_to_dx = false;
  backward.dscale = nullptr;
  expect_error(ErrorKind::internal, run, {"dscale or dbias"});
}

}  // namespace
}  // namespace ringworld::test
