#include "device/cuda/launch.cuh"

#include <gtest/gtest.h>

#include <vector>

#include "device/cuda/native_stream.hpp"
#include "device_array.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

using LaunchTest = CudaTest;

__global__ void write_own_index(int* to, int count) {
  const int index = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (index < count) {
    to[index] = index;
  }
}

TEST_F(LaunchTest, EveryThreadRunsOnce) {
  constexpr int count = 1000;
  const DeviceArray<int> array(std::vector<int>(count, -1));
  launch(write_own_index, {.grid = 4, .block = 256}, native_compute_stream(), array.data(), count);
  const std::vector<int> indices = array.fetch();
  for (int index = 0; index < count; ++index) {
    ASSERT_EQ(indices[static_cast<std::size_t>(index)], index);
  }
}

TEST_F(LaunchTest, AnEmptyGridIsNoError) {
  EXPECT_NO_THROW(launch(write_own_index, {.grid = 0, .block = 256}, native_compute_stream(), nullptr, 0));
}

TEST_F(LaunchTest, AnImpossibleShapeIsRefused) {
  const auto launch_with = [](const LaunchShape& shape) {
    return [=] { launch(write_own_index, shape, native_compute_stream(), nullptr, 0); };
  };
  expect_error(ErrorKind::internal, launch_with({.grid = 1, .block = 2048}), {"CUDA"});
  expect_error(ErrorKind::internal, launch_with({.grid = 1, .block = 32, .shared_bytes = 1 << 20}), {"CUDA"});
}

TEST_F(LaunchTest, AStreamOfTheHostHasNoCudaStream) {
  expect_error(ErrorKind::internal, [] { static_cast<void>(native_stream(host_device().compute_stream())); },
               {"another device"});
}

}  // namespace
}  // namespace ringworld::test
