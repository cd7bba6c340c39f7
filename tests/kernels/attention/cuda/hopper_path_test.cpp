/// @file  Which blocks the Hopper path takes; those that it refuses go to a slower path, so both mistakes would be silent.

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>

#include "core/error.hpp"
#include "device/cuda/spare_multiprocessors.hpp"
#include "kernels/attention/cuda/path.hpp"
#include "support/available_device.hpp"

namespace ringworld::test {
namespace {

/// A block of tensors that nobody reads.
struct Blocks {
  static constexpr std::array<std::int64_t, 4> shape{2, 30, 4, 64};
  static constexpr std::array<std::int64_t, 4> kv_shape{2, 50, 2, 64};
  static void* memory() { return reinterpret_cast<void*>(std::uintptr_t{1} << 20U); }  // NOLINT: never followed
  static float* numbers() { return static_cast<float*>(memory()); }

  BackwardBlock backward{.q = {memory(), DType::bfloat16, shape},
                         .k = {memory(), DType::bfloat16, kv_shape},
                         .v = {memory(), DType::bfloat16, kv_shape},
                         .dout = {memory(), DType::bfloat16, shape},
                         .maximum = TensorView<const float, 3>(numbers(), {2, 4, 30}),
                         .sum = TensorView<const float, 3>(numbers(), {2, 4, 30}),
                         .delta = TensorView<const float, 3>(numbers(), {2, 4, 30}),
                         .mask = {}};
  BlockGradients gradients{.dq = {numbers(), shape}, .dk = {numbers(), kv_shape}, .dv = {numbers(), kv_shape}};
  AttentionState state{
      .maximum = {numbers(), {2, 4, 30}}, .sum = {numbers(), {2, 4, 30}}, .output = {numbers(), {2, 4, 30, 64}}};

  [[nodiscard]] ForwardBlock forward() const {
    return {.q = backward.q, .k = backward.k, .v = backward.v, .mask = backward.mask};
  }
};

class HopperPath : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = why_unavailable(DeviceKind::cuda); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
    path_ = cuda::make_hopper_path({.head_size = 64});
    if (path_ == nullptr) {
      GTEST_SKIP() << "this device is not of compute capability 9.0";
    }
  }

  [[nodiscard]] bool takes_forward() const { return path_->supports(blocks_.forward(), blocks_.state); }
  [[nodiscard]] bool takes_backward() const { return path_->supports(blocks_.backward, blocks_.gradients); }

  std::unique_ptr<cuda::AttentionPath> path_;
  Blocks blocks_;
};

TEST_F(HopperPath, TakesDenseTensorsOfBf16) {
  EXPECT_TRUE(takes_forward());
  EXPECT_TRUE(takes_backward());
}

TEST_F(HopperPath, TakesPartsOfLargerTensors) {
  blocks_.backward.q.strides = {30 * 6 * 64, 6 * 64, 64, 1};
  blocks_.gradients.dq.strides = {30 * 6 * 64, 6 * 64, 64, 1};
  blocks_.backward.k.strides[1] += 8;
  blocks_.gradients.dk.strides[1] += 4;
  blocks_.state.output.strides[1] += 2;
  EXPECT_TRUE(takes_forward());
  EXPECT_TRUE(takes_backward());
}

TEST_F(HopperPath, StridesOfASingleRowDoNotMatter) {
  blocks_.backward.q = {Blocks::memory(), DType::bfloat16, {1, 30, 1, 64}, {7, 64, 3, 1}};
  blocks_.gradients.dq = {Blocks::numbers(), {1, 30, 1, 64}, {7, 64, 3, 1}};
  EXPECT_TRUE(takes_backward());
}

TEST_F(HopperPath, RefusesOtherTypes) {
  blocks_.backward.k.dtype = DType::float32;
  EXPECT_FALSE(takes_forward());
  EXPECT_FALSE(takes_backward());
}

TEST_F(HopperPath, RefusesStridesThatTheCopyEngineCannotTake) {
  blocks_.backward.v.strides[2] += 4;
  EXPECT_FALSE(takes_forward());
  EXPECT_FALSE(takes_backward());
}

TEST_F(HopperPath, RefusesStridesOfZero) {
  blocks_.backward.k.strides[2] = 0;
  EXPECT_FALSE(takes_forward());
  EXPECT_FALSE(takes_backward());
}

TEST_F(HopperPath, RefusesAddressesThatTheCopyEngineCannotTake) {
  blocks_.backward.q.data = static_cast<const std::byte*>(blocks_.backward.q.data) + 8;
  EXPECT_FALSE(takes_forward());
  EXPECT_FALSE(takes_backward());
}

TEST_F(HopperPath, RefusesGradientsThatTheCopyEngineCannotAddTo) {
  blocks_.gradients.dk.strides[1] += 2;
  EXPECT_TRUE(takes_forward());
  EXPECT_FALSE(takes_backward());
}

TEST_F(HopperPath, RefusesAStateWithoutPairs) {
  blocks_.state.output.strides[2] += 1;
  EXPECT_FALSE(takes_forward());
  EXPECT_TRUE(takes_backward());
}

TEST_F(HopperPath, WritesResultsThatTheCopyEngineTakes) {
  const std::array<std::int64_t, 4> wider{30 * 6 * 64, 6 * 64, 64, 1};
  EXPECT_TRUE(path_->can_write({Blocks::memory(), DType::bfloat16, Blocks::shape}));
  EXPECT_TRUE(path_->can_write({Blocks::memory(), DType::bfloat16, Blocks::shape, wider}));
  EXPECT_FALSE(path_->can_write({Blocks::memory(), DType::float32, Blocks::shape}));
  EXPECT_FALSE(path_->can_write({Blocks::memory(), DType::bfloat16, Blocks::shape, {30 * 260, 260, 64, 1}}));
}

TEST_F(HopperPath, RefusesUnknownVariants) {
  for (const auto& [variable, value] :
       {std::pair("RINGWORLD_HOPPER_GRID", "row"), std::pair("RINGWORLD_HOPPER_OVERLAP", "persistent"),
        std::pair("RINGWORLD_HOPPER_SPARE_MULTIPROCESSORS", "-1"),
        std::pair("RINGWORLD_HOPPER_SPARE_MULTIPROCESSORS", "8x")}) {
    setenv(variable, value, 1);  // NOLINT(concurrency-mt-unsafe): the test has one thread
    EXPECT_THROW(static_cast<void>(cuda::make_hopper_path({.head_size = 64})), Error) << variable << "=" << value;
    unsetenv(variable);  // NOLINT(concurrency-mt-unsafe)
  }
}

TEST(SpareMultiprocessors, AreThoseOfTheLargestTransferAlive) {
  EXPECT_EQ(SpareMultiprocessors::wanted(), 0);
  {
    const SpareMultiprocessors few(4);
    const SpareMultiprocessors same(4);
    EXPECT_EQ(SpareMultiprocessors::wanted(), 4);
    {
      const SpareMultiprocessors many(8);
      EXPECT_EQ(SpareMultiprocessors::wanted(), 8);
    }
    EXPECT_EQ(SpareMultiprocessors::wanted(), 4);
  }
  EXPECT_EQ(SpareMultiprocessors::wanted(), 0);
}

TEST_F(HopperPath, ExistsForItsHeadSizesAlone) {
  EXPECT_NE(cuda::make_hopper_path({.head_size = 128}), nullptr);
  EXPECT_EQ(cuda::make_hopper_path({.head_size = 32}), nullptr);
  EXPECT_EQ(cuda::make_hopper_path({.head_size = 256}), nullptr);
}

}  // namespace
}  // namespace ringworld::test
