/// @file  Idle kernels hold as much memory as those in whose place they stand.

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "device/buffer.hpp"
#include "device/counting/counting_devices.hpp"
#include "kernels/convolution/convolution.hpp"
#include "kernels/group_norm/group_norm.hpp"
#include "kernels/reconstruction_loss/reconstruction_loss.hpp"
#include "support/available_device.hpp"

namespace ringworld::test {
namespace {

class Footprint : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    if (const std::string reason = why_unavailable(GetParam()); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
  }

  /// What a kernel holds after `work`, which makes it and returns it.
  template <class Work>
  static std::int64_t held_by(const Work& work) {
    const DeviceKind kind = device_of(GetParam());
    const std::int64_t before = memory_account(kind).current;
    const auto kernel = work();
    device(kind).compute_stream().synchronize();
    return memory_account(kind).current - before;
  }

  template <class Work>
  static void expect_equal(const Work& work, bool holds_something) {
    const std::int64_t real = held_by(work);
    EXPECT_EQ(real > 0, holds_something);
    CountingDevices counting;
    EXPECT_EQ(held_by(work), real);
  }
};

/// Several ranges of pixels, and then fewer, which the memory of the first call serves.
TEST_P(Footprint, OfConvolution) {
  constexpr std::int64_t frames = 2, side = 16, inputs = 8, outputs = 20, taps = 9, float_bytes = 4;
  const DeviceKind kind = device_of(GetParam());
  const auto run = [&] {
    // All operands are one place: their values do not matter.
    const Buffer memory((frames * side * side + taps * inputs) * outputs * float_bytes, kind);
    auto* data = memory.as<float>();
    auto convolution = make_convolution(GetParam());
    for (const std::int64_t rows : {side, std::int64_t{2}}) {
      convolution->backward({.shape = {},
                             .dy = {data, {frames, rows, side, outputs}},
                             .x = {data, {frames, rows, side, inputs}},
                             .weight = {data, {3, 3, inputs, outputs}},
                             .dx = {data, {frames, rows, side, inputs}},
                             .dweight = {data, {3, 3, inputs, outputs}},
                             .dbias = data});
    }
    return convolution;
  };
  expect_equal(run, GetParam() == Backend::cuda);
}

/// More pixels than a panel has, and then fewer, which the memory of the first call serves.
TEST_P(Footprint, OfGroupNorm) {
  constexpr std::int64_t frames = 2, height = 23, width = 17, channels = 12, groups = 4;
  const DeviceKind kind = device_of(GetParam());
  constexpr std::int64_t float_bytes = 4;
  const auto run = [&] {
    // All operands are one place: their values do not matter.
    const Buffer memory(frames * height * width * channels * float_bytes, kind);
    auto* data = memory.as<float>();
    auto norm = make_group_norm(GetParam());
    for (const std::int64_t rows : {height, std::int64_t{2}}) {
      norm->forward({.groups = groups,
                     .activation = Activation::silu,
                     .x = {data, {frames, rows, width, channels}},
                     .scale = data,
                     .bias = data,
                     .y = {data, {frames, rows, width, channels}},
                     .mean = {data, {frames, groups}},
                     .rstd = {data, {frames, groups}}});
    }
    return norm;
  };
  expect_equal(run, GetParam() == Backend::cuda);
}

TEST_P(Footprint, OfReconstructionLoss) {
  constexpr std::int64_t frames = 3, elements = 20000, float_bytes = 4;
  const DeviceKind kind = device_of(GetParam());
  const auto run = [&] {
    const Buffer memory((frames * elements + 2 * frames) * float_bytes, kind);
    auto* data = memory.as<float>();
    auto loss = make_reconstruction_loss(GetParam());
    loss->forward_backward({.reconstruction = {data, {frames, elements}},
                            .target = {data, {frames, elements}},
                            .absolute_and_squared = {data + frames * elements, {frames, 2}},
                            .dreconstruction = {}});
    return loss;
  };
  expect_equal(run, GetParam() == Backend::cuda);
}

INSTANTIATE_TEST_SUITE_P(Backends, Footprint, testing::ValuesIn(all_backends),
                         [](const auto& test) { return std::string(name_of(test.param)); });

}  // namespace
}  // namespace ringworld::test
