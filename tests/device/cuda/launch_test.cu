#include "device/cuda/launch.cuh"

#include <gtest/gtest.h>

#include <vector>

#include "device/buffer.hpp"
#include "device/cuda/native_stream.hpp"
#include "support/available_device.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

__global__ void write_own_index(int* to, int count) {
  const int index = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (index < count) {
    to[index] = index;
  }
}

class LaunchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = why_unavailable(DeviceKind::cuda); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
  }
};

TEST_F(LaunchTest, EveryThreadRunsOnce) {
  constexpr int count = 1000;
  const Buffer buffer(count * sizeof(int), DeviceKind::cuda);
  launch(write_own_index, {.grid = 4, .block = 256}, native_compute_stream(), buffer.as<int>(), count);
  std::vector<int> indices(count);
  Device& gpu = cuda_device();
  gpu.copy(indices.data(), buffer.data(), buffer.bytes(), gpu.compute_stream());
  gpu.compute_stream().synchronize();
  for (int index = 0; index < count; ++index) {
    ASSERT_EQ(indices[static_cast<std::size_t>(index)], index);
  }
}

TEST_F(LaunchTest, AnEmptyGridIsNoError) {
  EXPECT_NO_THROW(launch(write_own_index, {.grid = 0, .block = 256}, native_compute_stream(), nullptr, 0));
}

TEST_F(LaunchTest, AnImpossibleShapeIsRefused) {
  expect_error(ErrorKind::internal,
               [] { launch(write_own_index, {.grid = 1, .block = 2048}, native_compute_stream(), nullptr, 0); },
               {"CUDA"});
  expect_error(ErrorKind::internal,
               [] {
                 launch(write_own_index, {.grid = 1, .block = 32, .shared_bytes = 1 << 20}, native_compute_stream(),
                        nullptr, 0);
               },
               {"CUDA"});
}

TEST_F(LaunchTest, AStreamOfTheHostHasNoCudaStream) {
  expect_error(ErrorKind::internal, [] { static_cast<void>(native_stream(host_device().compute_stream())); },
               {"another device"});
}

}  // namespace
}  // namespace ringworld::test
