#include "kernels/reconstruction_loss/reconstruction_loss.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "kernels/elementwise/backend_case.hpp"
#include "kernels/elementwise/finite_difference.hpp"
#include "kernels/elementwise/guarded_floats.hpp"
#include "kernels/reconstruction_loss/reference/reconstruction_loss.hpp"
#include "support/device_mirror.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

using Shape = std::array<std::int64_t, 2>;

constexpr float absolute_scale = 0.75F;
constexpr float squared_scale = 0.3F;

/// One element, frames shorter and longer than a chunk, a frame of 32 x 32 pixels, no frames, frames of nothing.
constexpr std::array shapes{Shape{1, 1},    Shape{3, 5}, Shape{2, 4096}, Shape{2, 8199},
                            Shape{4, 3072}, Shape{0, 7}, Shape{2, 0}};

struct Results {
  std::vector<double> sums, gradient;
};

enum class Gradient : std::uint8_t { own, in_place, not_wanted };

Results run(Backend backend, const Shape& shape, Gradient where, int threads = 1) {
  GuardedFloats<2> reconstruction(shape, 1), target(shape, 2), gradient(shape, 3), sums({shape[0], 2}, 4);
  if (shape[0] * shape[1] > 3) {
    target.view().data[3] = reconstruction.view().data[3];  // the gradient of the absolute value is 0 here
  }
  DeviceMirror on(backend);
  const TensorView<float, 2> there = on(reconstruction.view());
  make_reconstruction_loss(backend, {.threads = threads})
      ->forward_backward({.reconstruction = there,
                          .target = on(target.view()),
                          .absolute_scale = absolute_scale,
                          .squared_scale = squared_scale,
                          .absolute_and_squared = on(sums.view()),
                          .dreconstruction = where == Gradient::own        ? on(gradient.view())
                                             : where == Gradient::in_place ? there
                                                                           : TensorView<float, 2>{}});
  on.fetch();
  EXPECT_TRUE(reconstruction.guards_are_intact() && gradient.guards_are_intact() && sums.guards_are_intact());
  return {sums.values(), where == Gradient::in_place ? reconstruction.values() : gradient.values()};
}

class ReconstructionLossCase : public BackendTest {};

TEST_P(ReconstructionLossCase, EqualsReference) {
  for (const Shape& shape : shapes) {
    for (const Gradient where : {Gradient::own, Gradient::in_place, Gradient::not_wanted}) {
      SCOPED_TRACE(testing::PrintToString(shape));
      const Results actual = run(backend(), shape, where);
      const Results expected = run(Backend::reference, shape, where);
      EXPECT_TRUE(is_close("sums", actual.sums, expected.sums, row_in_fp32));
      EXPECT_TRUE(is_close("gradient", actual.gradient, expected.gradient, row_in_fp32));
    }
  }
}

TEST_P(ReconstructionLossCase, EqualElementsHaveNoGradient) {
  EXPECT_EQ(run(backend(), {3, 5}, Gradient::own).gradient[3], 0.0);
}

TEST_P(ReconstructionLossCase, FramesDoNotDependOnEachOther) {
  const Results together = run(backend(), {3, 5000}, Gradient::own);
  const Results alone = run(backend(), {1, 5000}, Gradient::own);
  EXPECT_TRUE(std::equal(alone.sums.begin(), alone.sums.end(), together.sums.begin()));
  EXPECT_TRUE(std::equal(alone.gradient.begin(), alone.gradient.end(), together.gradient.begin()));
}

INSTANTIATE_TEST_SUITE_P(Backends, ReconstructionLossCase, testing::ValuesIn(float32_backend_cases()),
                         backend_case_name);

TEST(ReconstructionLoss, ThreadsDoNotChangeAResult) {
  const Results one = run(Backend::host, {3, 50000}, Gradient::own, 1);
  const Results two = run(Backend::host, {3, 50000}, Gradient::own, 2);
  EXPECT_EQ(one.sums, two.sums);
  EXPECT_EQ(one.gradient, two.gradient);
}

TEST(ReconstructionLoss, GradientEqualsFiniteDifferences) {
  const std::vector<double> reconstruction = normal_doubles(24, 1);
  const std::vector<double> target = normal_doubles(24, 2);
  std::vector<double> gradient;
  for (std::size_t i = 0; i < target.size(); ++i) {
    gradient.push_back(reference::reconstruction_gradient<double>(reconstruction[i] - target[i], 0.75, 2 * 0.3));
  }
  expect_gradient("dreconstruction", reconstruction, gradient, [&](const auto& at) {
    const auto sums = reference::reconstruction_sums<double>(at, target);
    return 0.75 * sums.absolute + 0.3 * sums.squared;
  });
}

TEST(ReconstructionLoss, RefusesShapesThatContradictEachOther) {
  GuardedFloats<2> frames({2, 6}, 1), sums({2, 2}, 2);
  const auto loss = make_reconstruction_loss(Backend::reference);
  const ReconstructionLossPass good{.reconstruction = frames.view(),
                                    .target = frames.view(),
                                    .absolute_and_squared = sums.view(),
                                    .dreconstruction = {}};
  const auto refuses = [&](const auto& change, std::string_view message) {
    ReconstructionLossPass pass = good;
    change(pass);
    expect_error(ErrorKind::internal, [&] { loss->forward_backward(pass); }, {message});
  };
  refuses([&](auto& pass) { pass.target = frames.view().slice(0, 0, 1); }, "target has another shape");
  refuses([&](auto& pass) { pass.target = pass.reconstruction = frames.view().slice(1, 0, 5); }, "not dense");
  refuses([&](auto& pass) { pass.absolute_and_squared = frames.view(); }, "(frames, 2)");
  refuses([&](auto& pass) { pass.dreconstruction = sums.view(); }, "dreconstruction has another shape");
}

}  // namespace
}  // namespace ringworld::test
