#include "kernels/upsampling/upsampling.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "kernels/elementwise/backend_case.hpp"
#include "kernels/elementwise/finite_difference.hpp"
#include "kernels/elementwise/guarded_floats.hpp"
#include "kernels/upsampling/reference/upsampling.hpp"
#include "support/device_mirror.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

using Shape = std::array<std::int64_t, 4>;

constexpr std::array shapes{Shape{2, 3, 5, 4}, Shape{1, 1, 1, 3},   Shape{2, 4, 4, 16},
                            Shape{3, 9, 7, 5}, Shape{1, 33, 5, 64}, Shape{2, 1, 9, 1}};

Shape large(const Shape& shape) { return {shape[0], 2 * shape[1], 2 * shape[2], shape[3]}; }

class UpsamplingCase : public BackendTest {};

TEST_P(UpsamplingCase, APixelBecomesABlock) {
  for (const Shape& shape : shapes) {
    GuardedFloats<4> x(shape, 1), y(large(shape), 2);
    DeviceMirror on(backend());
    make_upsampling(backend())->forward({.x = on(x.view()), .y = on(y.view())});
    on.fetch();
    EXPECT_TRUE(x.guards_are_intact() && y.guards_are_intact());
    for (std::int64_t index = 0; index < y.view().size(); ++index) {
      const std::int64_t pixel = index / shape[3];
      const std::int64_t row = pixel / (2 * shape[2]) % (2 * shape[1]);
      ASSERT_EQ(y.view().data[index],
                x.view()(pixel / (4 * shape[1] * shape[2]), row / 2, pixel % (2 * shape[2]) / 2, index % shape[3]))
          << testing::PrintToString(shape) << ", element " << index;
    }
  }
}

TEST_P(UpsamplingCase, AGradientIsTheSumOfABlock) {
  for (const Shape& shape : shapes) {
    GuardedFloats<4> dy(large(shape), 1), dx(shape, 2), expected(shape, 3);
    DeviceMirror on(backend());
    make_upsampling(backend())->backward({.dy = on(dy.view()), .dx = on(dx.view())});
    on.fetch();
    make_upsampling(Backend::reference)->backward({.dy = dy.view(), .dx = expected.view()});
    EXPECT_TRUE(dy.guards_are_intact() && dx.guards_are_intact() && expected.guards_are_intact());
    EXPECT_TRUE(is_close("dx", dx.values(), expected.values(), row_in_fp32)) << testing::PrintToString(shape);
  }
}

TEST_P(UpsamplingCase, NoPixelsAreNoWork) {
  for (const Shape& shape : {Shape{0, 4, 4, 3}, Shape{2, 0, 4, 3}, Shape{2, 4, 4, 0}}) {
    GuardedFloats<4> small(shape, 1), tall(large(shape), 2);
    const auto upsampling = make_upsampling(backend());
    upsampling->forward({.x = small.view(), .y = tall.view()});
    upsampling->backward({.dy = tall.view(), .dx = small.view()});
    EXPECT_TRUE(small.guards_are_intact() && tall.guards_are_intact());
  }
}

std::vector<BackendCase> float_cases() {
  std::vector<BackendCase> cases = backend_cases();
  std::erase_if(cases, [](const BackendCase& run) { return run.dtype != DType::float32; });
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Backends, UpsamplingCase, testing::ValuesIn(float_cases()), backend_case_name);

TEST(Upsampling, GradientEqualsFiniteDifferences) {
  constexpr Shape shape{2, 3, 2, 3};
  const std::vector<double> x = normal_doubles(static_cast<std::size_t>(element_count(shape)), 1);
  const std::vector<double> dy = normal_doubles(4 * x.size(), 2);
  std::vector<double> dx(x.size());
  reference::upsample_backward<double>(shape, dy, dx);
  expect_gradient("dx", x, dx, [&](const std::vector<double>& at) {
    std::vector<double> y(dy.size());
    reference::upsample<double>(shape, at, y);
    return dot(y, dy);
  });
}

TEST(Upsampling, ThreadsDoNotChangeAResult) {
  constexpr Shape shape{5, 20, 20, 32};
  GuardedFloats<4> dy(large(shape), 1), alone(shape, 2), shared(shape, 3);
  make_upsampling(Backend::host)->backward({.dy = dy.view(), .dx = alone.view()});
  make_upsampling(Backend::host, {.threads = 3})->backward({.dy = dy.view(), .dx = shared.view()});
  EXPECT_EQ(alone.values(), shared.values());
}

TEST(Upsampling, RefusesShapesThatContradictEachOther) {
  GuardedFloats<4> x({1, 2, 3, 4}, 1), y({1, 4, 6, 4}, 2);
  const auto upsampling = make_upsampling(Backend::reference);
  expect_error(ErrorKind::internal, [&] { upsampling->forward({.x = x.view(), .y = y.view().slice(1, 0, 3)}); },
               {"not twice as high"});
  expect_error(ErrorKind::internal,
               [&] { upsampling->backward({.dy = {y.view().data, {1, 6, 4, 4}}, .dx = x.view()}); },
               {"not twice as high"});
  expect_error(ErrorKind::internal,
               [&] { upsampling->forward({.x = x.view().slice(3, 0, 2), .y = {y.view().data, {1, 4, 6, 2}}}); },
               {"not dense"});
}

}  // namespace
}  // namespace ringworld::test
