#include "kernels/norm/norm.hpp"

#include <gtest/gtest.h>

#include "kernels/elementwise/backend_case.hpp"
#include "kernels/elementwise/finite_difference.hpp"
#include "kernels/elementwise/guarded_rows.hpp"
#include "kernels/norm/reference/rms_norm.hpp"
#include "support/device_mirror.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

struct Shape {
  std::int64_t tokens;
  std::int64_t columns;
};
/// On the GPU: one pack a thread, single elements, two and four packs a thread, more rows than ranges of a sum.
constexpr std::array<Shape, 6> shapes{{{5, 24}, {1, 1}, {3, 67}, {130, 256}, {2, 2040}, {3, 4096}}};

std::vector<float> normals(std::int64_t count, std::uint64_t stream) {
  const std::vector<double> values = normal_doubles(static_cast<std::size_t>(count), stream);
  return {values.begin(), values.end()};
}

struct Forward {
  std::vector<double> sum;
  std::vector<double> y;
  std::vector<double> inverse_rms;
};

Forward run_forward(Backend backend, DType dtype, Shape shape, bool has_branch, float factor) {
  GuardedRows x(dtype, shape.tokens, shape.columns, 1, factor);
  GuardedRows branch(dtype, shape.tokens, shape.columns, 2, factor);
  GuardedRows y(dtype, shape.tokens, shape.columns, 3);
  const std::vector<float> weight = normals(shape.columns, 4);
  std::vector<float> inverse_rms(static_cast<std::size_t>(shape.tokens));
  DeviceMirror on(backend);
  // The sum replaces x, as in a residual stream.
  make_rms_norm(backend)->forward({.x = on(x.view()),
                                   .branch = has_branch ? on(branch.view()) : RowsView(),
                                   .sum = has_branch ? on(x.view()) : RowsView(),
                                   .weight = on(weight),
                                   .epsilon = 1e-5F,
                                   .y = on(y.view()),
                                   .inverse_rms = on(inverse_rms)});
  on.fetch();
  EXPECT_TRUE(x.guards_are_intact() && branch.guards_are_intact() && y.guards_are_intact());
  return {x.values(), y.values(), {inverse_rms.begin(), inverse_rms.end()}};
}

struct Backward {
  std::vector<double> dx;
  std::vector<double> dweight;
};

/// @param is_in_place  dx is where the residual gradient is, else there is none and dx is where dy is
Backward run_backward(Backend backend, DType dtype, Shape shape, bool is_in_place) {
  GuardedRows x(dtype, shape.tokens, shape.columns, 1);
  GuardedRows dy(dtype, shape.tokens, shape.columns, 5);
  GuardedRows dx(dtype, shape.tokens, shape.columns, 6);
  const std::vector<float> inverse_rms(static_cast<std::size_t>(shape.tokens), 0.9F);
  const std::vector<float> weight = normals(shape.columns, 4);
  std::vector<float> dweight = normals(shape.columns, 7);
  DeviceMirror on(backend);
  make_rms_norm(backend)->backward({.dy = on(dy.view()),
                                    .x = on(x.view()),
                                    .weight = on(weight),
                                    .inverse_rms = on(inverse_rms),
                                    .residual_gradient = is_in_place ? on(dx.view()) : RowsView(),
                                    .dx = is_in_place ? on(dx.view()) : on(dy.view()),
                                    .dweight = on(dweight)});
  on.fetch();
  EXPECT_TRUE(x.guards_are_intact() && dy.guards_are_intact() && dx.guards_are_intact());
  return {is_in_place ? dx.values() : dy.values(), {dweight.begin(), dweight.end()}};
}

class RmsNormCase : public BackendTest {};

TEST_P(RmsNormCase, ForwardEqualsReference) {
  for (const Shape shape : shapes) {
    for (const bool has_branch : {false, true}) {
      for (const float factor : {1.0F, 1e4F, 1e-4F}) {
        const Forward actual = run_forward(backend(), dtype(), shape, has_branch, factor);
        const Forward expected = run_forward(Backend::reference, dtype(), shape, has_branch, factor);
        EXPECT_TRUE(is_close("y", actual.y, expected.y, rounded_tolerance()));
        EXPECT_TRUE(is_close("inverse_rms", actual.inverse_rms, expected.inverse_rms, row_in_fp32));
        EXPECT_EQ(actual.sum, expected.sum) << "one fp32 addition, rounded once";
      }
    }
  }
}

TEST_P(RmsNormCase, BackwardEqualsReference) {
  for (const Shape shape : shapes) {
    for (const bool is_in_place : {false, true}) {
      const Backward actual = run_backward(backend(), dtype(), shape, is_in_place);
      const Backward expected = run_backward(Backend::reference, dtype(), shape, is_in_place);
      EXPECT_TRUE(is_close("dx", actual.dx, expected.dx, rounded_tolerance(), 0.1));
      EXPECT_TRUE(is_close("dweight", actual.dweight, expected.dweight, row_in_fp32));
    }
  }
}

TEST_P(RmsNormCase, ARowOfZerosStaysZero) {
  GuardedRows x(dtype(), 2, 24, 1, 0.0F);
  GuardedRows y(dtype(), 2, 24, 2);
  const std::vector<float> weight = normals(24, 4);
  std::vector<float> inverse_rms(2);
  DeviceMirror on(backend());
  make_rms_norm(backend())->forward({.x = on(x.view()),
                                     .branch = {},
                                     .sum = {},
                                     .weight = on(weight),
                                     .y = on(y.view()),
                                     .inverse_rms = on(inverse_rms)});
  on.fetch();
  EXPECT_EQ(y.values(), std::vector<double>(48, 0.0));
  EXPECT_NEAR(inverse_rms[1], 1e3F, 1e-2F);
}

INSTANTIATE_TEST_SUITE_P(Backends, RmsNormCase, testing::ValuesIn(backend_cases()), backend_case_name);

TEST(RmsNorm, GradientsEqualFiniteDifferences) {
  constexpr std::size_t columns = 24;
  constexpr double epsilon = 0.1;  // large enough that a gradient which forgets it fails
  const std::vector<double> x = normal_doubles(columns, 1);
  const std::vector<double> weight = normal_doubles(columns, 2);
  const std::vector<double> dy = normal_doubles(columns, 3);
  std::vector<double> y(columns);
  const auto loss = [&](const std::vector<double>& at_x, const std::vector<double>& at_weight) {
    reference::rms_norm<double>(at_x, at_weight, epsilon, y);
    return dot(dy, y);
  };
  std::vector<double> dx(columns);
  std::vector<double> dweight(columns);
  const double inverse_rms = reference::rms_norm<double>(x, weight, epsilon, y);
  reference::rms_norm_backward<double>(dy, x, weight, inverse_rms, dx, dweight);
  expect_gradient("dx", x, dx, [&](const auto& at) { return loss(at, weight); });
  expect_gradient("dweight", weight, dweight, [&](const auto& at) { return loss(x, at); });
}

TEST(RmsNorm, RefusesShapesThatContradictEachOther) {
  GuardedRows x(DType::float32, 5, 24, 1);
  GuardedRows narrow(DType::bfloat16, 5, 24, 1);
  std::vector<float> weight(24);
  std::vector<float> inverse_rms(5);
  RmsNormForward pass{
      .x = x.view(), .branch = {}, .sum = {}, .weight = weight, .y = narrow.view(), .inverse_rms = inverse_rms};
  const auto run = [&] { make_rms_norm(Backend::reference)->forward(pass); };
  expect_error(ErrorKind::internal, run, {"y has not the shape and type of x"});
  pass.y = x.view();
  pass.branch = x.view();
  expect_error(ErrorKind::internal, run, {"branch and sum"});
}

}  // namespace
}  // namespace ringworld::test
