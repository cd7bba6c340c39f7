#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <vector>

#include "device/cuda/launch.cuh"
#include "device/cuda/native_stream.hpp"
#include "device_array.hpp"

namespace ringworld::test {
namespace {

using WarpTest = CudaTest;

constexpr int warps = 3;
constexpr int threads = 32 * warps;

/// @param to (8, threads)
__global__ void shuffle_everything(int* to) {
  const int thread = static_cast<int>(threadIdx.x);
  const unsigned all = 0xffffffffU;
  to[0 * threads + thread] = __shfl_sync(all, thread, 5);
  to[1 * threads + thread] = __shfl_sync(all, thread, 5, 8);
  to[2 * threads + thread] = __shfl_xor_sync(all, thread, 17);
  to[3 * threads + thread] = __shfl_up_sync(all, thread, 3);
  to[4 * threads + thread] = __shfl_down_sync(all, thread, 3, 16);
  to[5 * threads + thread] = static_cast<int>(__ballot_sync(all, thread % 3 == 0));
  to[6 * threads + thread] = __any_sync(all, thread == 40) + 2 * __all_sync(all, thread >= 32);
  // Half of a warp by itself.
  to[7 * threads + thread] = -1;
  if (thread % 32 < 16) {
    to[7 * threads + thread] = __shfl_xor_sync(0xffffU, thread, 8);
  }
}

TEST_F(WarpTest, ShufflesAndVotesGoWhereTheGuideSays) {
  const DeviceArray<int> array(std::vector<int>(8 * threads));
  launch(shuffle_everything, {.grid = 1, .block = threads}, native_compute_stream(), array.data());
  const std::vector<int> found = array.fetch();
  for (int thread = 0; thread < threads; ++thread) {
    const int warp = thread / 32 * 32;
    const int lane = thread % 32;
    std::uint32_t ballot = 0;
    for (int each = 0; each < 32; ++each) {
      ballot |= (warp + each) % 3 == 0 ? 1U << each : 0U;
    }
    const std::array<int, 8> expected{warp + 5,
                                      warp + lane / 8 * 8 + 5,
                                      warp + (lane ^ 17),
                                      lane < 3 ? thread : thread - 3,
                                      lane % 16 + 3 < 16 ? thread + 3 : thread,
                                      static_cast<int>(ballot),
                                      (warp == 32 ? 1 : 0) + (warp >= 32 ? 2 : 0),
                                      lane < 16 ? warp + (lane ^ 8) : -1};
    for (std::size_t row = 0; row < expected.size(); ++row) {
      ASSERT_EQ(found[row * threads + static_cast<std::size_t>(thread)], expected[row])
          << "row " << row << ", thread " << thread;
    }
  }
}

/// Sums 1, 2, ... count in shared memory, by halves.
__global__ void sum_in_shared_memory(int* to) {
  __shared__ int parts[256];
  const unsigned thread = threadIdx.x;
  parts[thread] = static_cast<int>(blockIdx.x * blockDim.x + thread);
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    __syncthreads();
    if (thread < half) {
      parts[thread] += parts[thread + half];
    }
  }
  if (thread == 0) {
    atomicAdd(to, parts[0]);
  }
}

TEST_F(WarpTest, BarriersAndAtomicsAddUp) {
  const DeviceArray<int> sum(std::vector<int>{0});
  launch(sum_in_shared_memory, {.grid = 5, .block = 256}, native_compute_stream(), sum.data());
  EXPECT_EQ(sum.fetch()[0], 1280 * 1279 / 2);
}

}  // namespace
}  // namespace ringworld::test
