#include "kernels/convolution/convolution.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <ostream>
#include <vector>

#include "kernels/convolution/reference/convolution.hpp"
#include "kernels/elementwise/backend_case.hpp"
#include "kernels/elementwise/finite_difference.hpp"
#include "kernels/elementwise/guarded_floats.hpp"
#include "support/device_mirror.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

constexpr ConvolutionShape three_by_three{};
constexpr ConvolutionShape one_by_one{.kernel = 1, .stride = 1, .pad_begin = 0, .pad_end = 0};
constexpr ConvolutionShape down_sampling{.kernel = 3, .stride = 2, .pad_begin = 0, .pad_end = 1};

struct Problem {
  ConvolutionShape shape;
  std::array<std::int64_t, 4> x;  // (N, H, W, I)
  std::int64_t outputs;

  [[nodiscard]] std::array<std::int64_t, 4> weight() const { return {shape.kernel, shape.kernel, x[3], outputs}; }
  [[nodiscard]] std::array<std::int64_t, 4> y() const {
    return {x[0], shape.output_side(x[1]), shape.output_side(x[2]), outputs};
  }
  [[nodiscard]] ConvolutionExtents extents() const { return {shape, x, weight()}; }

  friend std::ostream& operator<<(std::ostream& out, const Problem& problem) {
    return out << problem.shape.kernel << " x " << problem.shape.kernel << ", stride " << problem.shape.stride
               << ", pads " << problem.shape.pad_begin << " and " << problem.shape.pad_end << ", "
               << testing::PrintToString(problem.x) << " -> " << problem.outputs;
  }
};

const std::vector<Problem>& problems() {
  static const std::vector<Problem> list{
      // The layers of the tiny network, on its sizes of frames.
      {three_by_three, {2, 32, 32, 3}, 16},
      {three_by_three, {2, 32, 32, 16}, 16},
      {three_by_three, {1, 32, 32, 16}, 3},
      {down_sampling, {2, 32, 32, 16}, 16},
      {three_by_three, {2, 16, 16, 16}, 32},
      {one_by_one, {2, 16, 16, 16}, 32},
      {down_sampling, {2, 8, 8, 32}, 32},
      {three_by_three, {3, 4, 4, 64}, 64},
      {one_by_one, {3, 4, 4, 64}, 16},
      // Odd sizes of frames and channels, frames smaller than the kernel, one pixel.
      {three_by_three, {2, 7, 5, 5}, 7},
      {three_by_three, {1, 9, 43, 16}, 33},
      {three_by_three, {2, 5, 6, 130}, 48},
      {three_by_three, {1, 3, 2, 64}, 129},
      {three_by_three, {2, 1, 1, 5}, 3},
      {three_by_three, {2, 2, 1, 17}, 16},
      {three_by_three, {1, 1, 9, 1}, 1},
      {down_sampling, {2, 7, 5, 5}, 5},
      {down_sampling, {1, 9, 6, 32}, 64},
      {down_sampling, {1, 2, 2, 3}, 16},
      {one_by_one, {2, 3, 5, 3}, 5},
      {one_by_one, {1, 1, 1, 1}, 1},
      // Tiles of 4 x 4 outputs: all, some and none of them whole, paddings from none to two, more tiles than a block has.
      {three_by_three, {2, 8, 12, 16}, 48},
      {three_by_three, {2, 5, 7, 32}, 16},
      {three_by_three, {1, 6, 4, 80}, 144},
      {three_by_three, {5, 14, 15, 16}, 16},
      {{.kernel = 3, .stride = 1, .pad_begin = 0, .pad_end = 0}, {1, 7, 8, 16}, 16},
      {{.kernel = 3, .stride = 1, .pad_begin = 2, .pad_end = 2}, {1, 6, 5, 16}, 32},
      {{.kernel = 3, .stride = 1, .pad_begin = 0, .pad_end = 2}, {2, 6, 7, 16}, 16},
      // Other kernels.
      {{.kernel = 2, .stride = 1, .pad_begin = 0, .pad_end = 0}, {2, 6, 5, 16}, 16},
      {{.kernel = 4, .stride = 2, .pad_begin = 1, .pad_end = 1}, {2, 9, 8, 3}, 16},
      {{.kernel = 3, .stride = 2, .pad_begin = 1, .pad_end = 1}, {1, 7, 8, 5}, 16},
      {{.kernel = 5, .stride = 3, .pad_begin = 2, .pad_end = 1}, {2, 10, 11, 7}, 9},
      {{.kernel = 1, .stride = 2, .pad_begin = 0, .pad_end = 0}, {2, 5, 4, 16}, 8},
      {{.kernel = 3, .stride = 4, .pad_begin = 2, .pad_end = 2}, {1, 6, 9, 4}, 16},
  };
  return list;
}

struct Variant {
  bool has_bias = true;
  bool has_residual = false;
  bool is_residual_y = false;  // the residual is where y is
  bool wants_dx = true;
  bool adds_to_dx = false;
  bool wants_dbias = true;
};

struct Results {
  std::vector<double> y, dx, dweight, dbias;
};

/// Forward and backward; what is added to begins with numbers of its own.
Results run(Backend backend, const Problem& problem, const Variant& variant, int threads = 1) {
  GuardedFloats<4> x(problem.x, 1), weight(problem.weight(), 2), residual(problem.y(), 3), y(problem.y(), 4);
  GuardedFloats<4> dy(problem.y(), 5), dx(problem.x, 6), dweight(problem.weight(), 7);
  GuardedFloats<1> bias({problem.outputs}, 8), dbias({problem.outputs}, 9);
  DeviceMirror on(backend);
  const auto convolution = make_convolution(backend, {.threads = threads});
  const TensorView<float, 4> y_there = on(y.view());
  const float* added = variant.is_residual_y ? y_there.data : on(residual.view()).data;
  convolution->forward({.shape = problem.shape,
                        .x = on(x.view()),
                        .weight = on(weight.view()),
                        .bias = variant.has_bias ? on(bias.view()).data : nullptr,
                        .residual = variant.has_residual ? added : nullptr,
                        .y = y_there});
  convolution->backward({.shape = problem.shape,
                         .dy = on(dy.view()),
                         .x = on(x.view()),
                         .weight = on(weight.view()),
                         .dx = variant.wants_dx ? on(dx.view()) : TensorView<float, 4>(),
                         .adds_to_dx = variant.adds_to_dx,
                         .dweight = on(dweight.view()),
                         .dbias = variant.wants_dbias ? on(dbias.view()).data : nullptr});
  on.fetch();
  for (GuardedFloats<4>* operand : {&x, &weight, &residual, &y, &dy, &dx, &dweight}) {
    EXPECT_TRUE(operand->guards_are_intact()) << problem;
  }
  EXPECT_TRUE(bias.guards_are_intact() && dbias.guards_are_intact()) << problem;
  return {y.values(), dx.values(), dweight.values(), dbias.values()};
}

void expect_close(const Results& actual, const Results& expected, const Problem& problem) {
  EXPECT_TRUE(is_close("y", actual.y, expected.y, computed_in_fp32)) << problem;
  EXPECT_TRUE(is_close("dx", actual.dx, expected.dx, computed_in_fp32)) << problem;
  EXPECT_TRUE(is_close("dweight", actual.dweight, expected.dweight, computed_in_fp32)) << problem;
  EXPECT_TRUE(is_close("dbias", actual.dbias, expected.dbias, computed_in_fp32)) << problem;
}

void expect_equal(const Results& actual, const Results& expected, const Problem& problem) {
  EXPECT_EQ(actual.y, expected.y) << problem;
  EXPECT_EQ(actual.dx, expected.dx) << problem;
  EXPECT_EQ(actual.dweight, expected.dweight) << problem;
  EXPECT_EQ(actual.dbias, expected.dbias) << problem;
}

class ConvolutionCase : public BackendTest {};

TEST_P(ConvolutionCase, EqualsReference) {
  for (const Problem& problem : problems()) {
    expect_close(run(backend(), problem, {}), run(Backend::reference, problem, {}), problem);
  }
}

/// Enough pixels and channels for every tile of a blocked backend, and what is left of one.
TEST_P(ConvolutionCase, EqualsReferenceWhereTilesAreFull) {
  for (const Problem& problem :
       {Problem{three_by_three, {2, 21, 19, 68}, 72}, Problem{three_by_three, {1, 21, 20, 17}, 18},
        Problem{down_sampling, {2, 20, 21, 20}, 36}, Problem{one_by_one, {2, 21, 19, 64}, 64}}) {
    const Variant variant{.has_residual = true, .adds_to_dx = true};
    expect_close(run(backend(), problem, variant), run(Backend::reference, problem, variant), problem);
  }
}

TEST_P(ConvolutionCase, EqualsReferenceInAllVariants) {
  const std::array variants{Variant{.has_bias = false}, Variant{.has_residual = true, .adds_to_dx = true},
                            Variant{.has_residual = true, .is_residual_y = true, .wants_dbias = false},
                            Variant{.has_bias = false, .has_residual = true, .wants_dx = false},
                            Variant{.adds_to_dx = true, .wants_dbias = false}};
  for (const Problem& problem : {Problem{three_by_three, {2, 7, 5, 5}, 7}, Problem{three_by_three, {1, 6, 9, 16}, 32},
                                 Problem{down_sampling, {1, 8, 7, 16}, 16}, Problem{one_by_one, {2, 3, 5, 32}, 20}}) {
    for (const Variant& variant : variants) {
      expect_close(run(backend(), problem, variant), run(Backend::reference, problem, variant), problem);
    }
  }
}

/// A weight of one tap copies pixels; where they come from follows from the drawing in convolution.hpp.
TEST_P(ConvolutionCase, ATapReadsThePixelThatItNames) {
  constexpr std::int64_t height = 6, width = 5, channels = 4;
  for (const ConvolutionShape& shape : {three_by_three, down_sampling}) {
    const Problem problem{shape, {1, height, width, channels}, channels};
    for (std::int64_t tap = 0; tap < 9; ++tap) {
      GuardedFloats<4> x(problem.x, 1), weight(problem.weight(), 2), y(problem.y(), 3);
      std::fill_n(weight.view().data, weight.view().size(), 0.0F);
      for (std::int64_t c = 0; c < channels; ++c) {
        weight.view()(tap / 3, tap % 3, c, channels - 1 - c) = 1;
      }
      DeviceMirror on(backend());
      make_convolution(backend())->forward(
          {.shape = shape, .x = on(x.view()), .weight = on(weight.view()), .y = on(y.view())});
      on.fetch();
      for (std::int64_t index = 0; index < y.view().size(); ++index) {
        const std::int64_t c = index % channels;
        const std::int64_t column = index / channels % problem.y()[2];
        const std::int64_t row = index / channels / problem.y()[2];
        const std::int64_t from_row = shape.stride == 2 ? 2 * row + tap / 3 : row + tap / 3 - 1;
        const std::int64_t from_column = shape.stride == 2 ? 2 * column + tap % 3 : column + tap % 3 - 1;
        const bool is_inside = from_row >= 0 && from_row < height && from_column >= 0 && from_column < width;
        EXPECT_EQ(y.view().data[index], is_inside ? x.view()(0, from_row, from_column, channels - 1 - c) : 0.0F)
            << problem << ", tap " << tap << ", element " << index;
      }
    }
  }
}

TEST_P(ConvolutionCase, AFrameAloneEqualsItselfInABatch) {
  for (const Problem& batch : {Problem{three_by_three, {3, 7, 5, 16}, 16}, Problem{three_by_three, {5, 4, 4, 32}, 7},
                               Problem{down_sampling, {3, 7, 9, 16}, 24}, Problem{one_by_one, {3, 3, 3, 16}, 16},
                               Problem{three_by_three, {4, 12, 11, 20}, 36}}) {
    Problem alone = batch;
    alone.x[0] = 1;  // frame 0: its numbers do not depend on the frames behind it
    Results expected = run(backend(), batch, {.has_residual = true});
    const Results actual = run(backend(), alone, {.has_residual = true});
    expected.y.resize(actual.y.size());
    expected.dx.resize(actual.dx.size());
    EXPECT_EQ(actual.y, expected.y) << batch;
    EXPECT_EQ(actual.dx, expected.dx) << batch;
  }
}

TEST_P(ConvolutionCase, RunsTwiceToTheSameBits) {
  const Problem problem{three_by_three, {3, 9, 11, 16}, 32};
  expect_equal(run(backend(), problem, {}), run(backend(), problem, {}), problem);
}

TEST_P(ConvolutionCase, OneObjectServesShapesInTurn) {
  const auto convolution = make_convolution(backend());
  for (const Problem& problem : {Problem{three_by_three, {2, 8, 8, 16}, 16}, Problem{one_by_one, {1, 3, 3, 5}, 3},
                                 Problem{three_by_three, {2, 8, 8, 16}, 16}}) {
    GuardedFloats<4> x(problem.x, 1), weight(problem.weight(), 2), y(problem.y(), 3), expected(problem.y(), 4);
    DeviceMirror on(backend());
    convolution->forward({.shape = problem.shape, .x = on(x.view()), .weight = on(weight.view()), .y = on(y.view())});
    on.fetch();
    make_convolution(Backend::reference)
        ->forward({.shape = problem.shape, .x = x.view(), .weight = weight.view(), .y = expected.view()});
    EXPECT_TRUE(is_close("y", y.values(), expected.values(), computed_in_fp32)) << problem;
  }
}

TEST_P(ConvolutionCase, NoFramesChangeNothing) {
  const Problem problem{three_by_three, {0, 4, 4, 16}, 16};
  const Results results = run(backend(), problem, {});
  EXPECT_TRUE(results.y.empty());
  EXPECT_EQ(results.dweight, GuardedFloats<4>(problem.weight(), 7).values());
  EXPECT_EQ(results.dbias, GuardedFloats<1>({problem.outputs}, 9).values());
}

std::vector<BackendCase> float_cases() {
  std::vector<BackendCase> cases = backend_cases();
  std::erase_if(cases, [](const BackendCase& run) { return run.dtype != DType::float32; });
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Backends, ConvolutionCase, testing::ValuesIn(float_cases()), backend_case_name);

TEST(Convolution, ThreadsDoNotChangeAResult) {
  for (const Problem& problem : {Problem{three_by_three, {5, 16, 16, 16}, 32}, Problem{one_by_one, {3, 17, 16, 32}, 16},
                                 Problem{down_sampling, {1, 31, 32, 16}, 16}, Problem{three_by_three, {2, 9, 9, 5}, 3},
                                 Problem{three_by_three, {1, 8, 8, 160}, 144}}) {
    const Results expected = run(Backend::host, problem, {.has_residual = true, .adds_to_dx = true});
    for (const int threads : {2, 3}) {
      expect_equal(run(Backend::host, problem, {.has_residual = true, .adds_to_dx = true}, threads), expected, problem);
    }
  }
}

TEST(Convolution, GradientsEqualFiniteDifferences) {
  for (const Problem& problem : {Problem{three_by_three, {2, 4, 3, 3}, 2}, Problem{down_sampling, {2, 4, 5, 2}, 3},
                                 Problem{one_by_one, {2, 2, 3, 3}, 2},
                                 Problem{{.kernel = 4, .stride = 2, .pad_begin = 1, .pad_end = 1}, {1, 5, 4, 2}, 2}}) {
    SCOPED_TRACE(testing::Message() << problem);
    const ConvolutionExtents extents = problem.extents();
    const auto numbers = [](const auto& shape, std::uint64_t stream) {
      return normal_doubles(static_cast<std::size_t>(element_count(shape)), stream);
    };
    const std::vector<double> x = numbers(problem.x, 1), weight = numbers(problem.weight(), 2);
    const std::vector<double> bias = normal_doubles(static_cast<std::size_t>(problem.outputs), 3);
    const std::vector<double> dy = numbers(problem.y(), 4), residual = numbers(problem.y(), 5);
    std::vector<double> dx(x.size()), dweight(weight.size()), dbias(bias.size());
    reference::convolve_backward_data<double>(extents, dy, weight, dx);
    reference::convolve_backward_weight<double>(extents, dy, x, dweight, dbias);
    const auto loss = [&](const std::vector<double>& at_x, const std::vector<double>& at_weight,
                          const std::vector<double>& at_bias) {
      std::vector<double> y(dy.size());
      reference::convolve<double>(extents, at_x, at_weight, at_bias, residual, y);
      return dot(y, dy);
    };
    expect_gradient("dx", x, dx, [&](const auto& at) { return loss(at, weight, bias); });
    expect_gradient("dweight", weight, dweight, [&](const auto& at) { return loss(x, at, bias); });
    expect_gradient("dbias", bias, dbias, [&](const auto& at) { return loss(x, weight, at); });
  }
}

TEST(Convolution, OutputSides) {
  EXPECT_EQ(three_by_three.output_side(256), 256);
  EXPECT_EQ(down_sampling.output_side(256), 128);
  EXPECT_EQ(down_sampling.output_side(7), 3);
  EXPECT_EQ(down_sampling.output_side(1), 0) << "two pixels and a zero are needed";
  EXPECT_EQ(one_by_one.output_side(5), 5);
}

class RefusedConvolution : public testing::Test {
 protected:
  void expect_refused(const ConvolutionForward& pass, std::string_view reason) {
    expect_error(ErrorKind::internal, [&] { make_convolution(Backend::reference)->forward(pass); }, {reason});
  }

  GuardedFloats<4> x_{{2, 6, 5, 3}, 1};
  GuardedFloats<4> weight_{{3, 3, 3, 4}, 2};
  GuardedFloats<4> y_{{2, 6, 5, 4}, 3};
  ConvolutionForward forward_{.shape = {}, .x = x_.view(), .weight = weight_.view(), .y = y_.view()};
  ConvolutionBackward backward_{.shape = {},
                                .dy = y_.view(),
                                .x = x_.view(),
                                .weight = weight_.view(),
                                .dx = x_.view(),
                                .dweight = weight_.view()};
};

TEST_F(RefusedConvolution, Shapes) {
  forward_.shape.stride = 0;
  expect_refused(forward_, "the stride is not positive");
  forward_.shape = {.kernel = 0};
  expect_refused(forward_, "kernel or the stride is not positive");
  forward_.shape = {.pad_begin = 3};
  expect_refused(forward_, "a pad is negative or not smaller than the kernel");
  forward_.shape = {.pad_end = -1};
  expect_refused(forward_, "a pad is negative or not smaller than the kernel");
  forward_.shape = one_by_one;
  expect_refused(forward_, "has not the taps");
  forward_.shape = down_sampling;
  expect_refused(forward_, "y or dy has not the shape");
}

TEST_F(RefusedConvolution, Operands) {
  ConvolutionForward pass = forward_;
  pass.x = x_.view().slice(3, 0, 2);
  expect_refused(pass, "not dense");
  pass.x = {x_.view().data, {2, 6, 5, 2}};
  expect_refused(pass, "has not the input channels of x");
  pass = forward_;
  pass.y = {y_.view().data, {2, 6, 5, 3}};
  expect_refused(pass, "y or dy has not the shape");
  pass = {.shape = {.pad_begin = 0, .pad_end = 0},
          .x = {x_.view().data, {2, 2, 5, 3}},
          .weight = weight_.view(),
          .y = y_.view()};
  expect_refused(pass, "does not fit into the padded frame");
}

TEST_F(RefusedConvolution, Gradients) {
  const auto expect_refused_backward = [&](const ConvolutionBackward& pass, std::string_view reason) {
    expect_error(ErrorKind::internal, [&] { make_convolution(Backend::reference)->backward(pass); }, {reason});
  };
  ConvolutionBackward pass = backward_;
  pass.dweight = {};
  expect_refused_backward(pass, "dweight has not the shape");
  pass = backward_;
  pass.dx = {x_.view().data, {2, 6, 5, 2}};
  expect_refused_backward(pass, "dx has not the shape");
  pass = backward_;
  pass.dy = {y_.view().data, {2, 6, 4, 4}};
  expect_refused_backward(pass, "y or dy has not the shape");
}

}  // namespace
}  // namespace ringworld::test
