// What the emulator is for: kernels and hosts that are wrong are found out. Each test breaks a rule on purpose.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "core/bf16.hpp"
#include "device/cuda/launch.cuh"
#include "device/cuda/native_stream.hpp"
#include "device/cuda/ptx/async_copy.cuh"
#include "device/cuda/ptx/mbarrier.cuh"
#include "device/cuda/ptx/named_barrier.cuh"
#include "device/cuda/ptx/registers.cuh"
#include "device/cuda/ptx/wgmma.cuh"
#include "device_array.hpp"
#include "support/cuda_emulator/block.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

using EmulatorTest = CudaTest;

/// Runs a kernel to its end.
template <class Kernel, class... Arguments>
void run(Kernel kernel, const LaunchShape& shape, Arguments... arguments) {
  launch(kernel, shape, native_compute_stream(), arguments...);
  cuda_device().compute_stream().synchronize();
}

/// Expects the kernel to fail in the emulator, with words that say why.
template <class Kernel, class... Arguments>
void expect_failure(std::initializer_list<std::string_view> words, Kernel kernel, const LaunchShape& shape,
                    Arguments... arguments) {
  expect_error(ErrorKind::internal, [&] { run(kernel, shape, arguments...); }, words);
}

__global__ void reverse(int* to, bool has_barrier) {
  int* shared = reinterpret_cast<int*>(ptx::dynamic_shared_memory());
  shared[threadIdx.x] = static_cast<int>(threadIdx.x);
  if (has_barrier) {
    __syncthreads();
  }
  to[threadIdx.x] = shared[blockDim.x - 1 - threadIdx.x];
}

TEST_F(EmulatorTest, AMissingBarrierShows) {
  constexpr int count = 128;
  for (const bool has_barrier : {true, false}) {
    const DeviceArray<int> array(std::vector<int>(count, 0));
    run(reverse, {.grid = 1, .block = count, .shared_bytes = count * sizeof(int)}, array.data(), has_barrier);
    const std::vector<int> found = array.fetch();
    bool is_right = true;
    for (int thread = 0; thread < count; ++thread) {
      is_right = is_right && found[static_cast<std::size_t>(thread)] == count - 1 - thread;
    }
    EXPECT_EQ(is_right, has_barrier);
  }
}

__global__ void read_shared(float* to) {
  to[threadIdx.x] = reinterpret_cast<const float*>(ptx::dynamic_shared_memory())[threadIdx.x];
}

TEST_F(EmulatorTest, WhatWasNeverWrittenIsNan) {
  const DeviceArray<float> array(std::vector<float>(32, 0.0F));
  run(read_shared, {.grid = 1, .block = 32, .shared_bytes = 128}, array.data());
  EXPECT_TRUE(std::ranges::all_of(array.fetch(), [](float value) { return std::isnan(value); }));
  const Buffer fresh(64, DeviceKind::cuda);
  float value = 0;
  cuda_device().copy(&value, fresh.data(), sizeof(value), cuda_device().compute_stream());
  EXPECT_TRUE(std::isnan(value));
}

__global__ void wait_for_a_warp_that_never_comes() {
  if (threadIdx.x < 32) {
    ptx::barrier_sync(1, 64);
  }
}

TEST_F(EmulatorTest, ADeadlockSaysWhereTheThreadsStand) {
  expect_failure({"deadlock: 32 of 64 threads", "(0 to 31) at barrier_sync at emulator_test.cu:"},
                 wait_for_a_warp_that_never_comes, {.grid = 1, .block = 64});
}

__global__ void take_different_branches(int* to) {
  to[threadIdx.x] = threadIdx.x % 2 == 0 ? __shfl_sync(0xffffffffU, 1, 0) : __any_sync(0xffffffffU, 1);
}

TEST_F(EmulatorTest, WarpsThatDisagreeAreNamed) {
  const DeviceArray<int> array(std::vector<int>(32));
  expect_failure({"different instructions", "__shfl_sync", "__any_sync"}, take_different_branches,
                 {.grid = 1, .block = 32}, array.data());
}

__global__ void write_at(float* to, int index) { to[index] = 1; }
__global__ void write_shared_at(int index) { reinterpret_cast<float*>(ptx::dynamic_shared_memory())[index] = 1; }
__global__ void copy_to_shared_at(const float* from, unsigned address) {
  ptx::copy_async_16(ptx::shared_address(ptx::dynamic_shared_memory()) + address, from);
  ptx::commit_copies();
  ptx::wait_copies<0>();
}

TEST_F(EmulatorTest, WritesOutsideAreFound) {
  const DeviceArray<float> array(std::vector<float>(10));
  run(write_at, {}, array.data(), 9);
  expect_failure({"past the end of an allocation of 40 bytes"}, write_at, {}, array.data(), 10);
  expect_failure({"before an allocation of 40 bytes"}, write_at, {}, array.data(), -1);
  run(write_shared_at, {.shared_bytes = 40}, 9);
  expect_failure({"outside the 40 bytes of dynamic shared memory"}, write_shared_at, {.shared_bytes = 40}, 10);
  expect_failure({"outside the 40 bytes"}, write_shared_at, {.shared_bytes = 40}, -1);
}

__global__ void read_at(const float* from, int index, float* to) { *to = from[index]; }

TEST_F(EmulatorTest, ReadsOutsideAreNan) {
  const DeviceArray<float> array(std::vector<float>(10, 1.0F));
  const DeviceArray<float> value(std::vector<float>{0.0F});
  for (const int index : {-1, 10, 11}) {
    run(read_at, {}, static_cast<const float*>(array.data()), index, value.data());
    EXPECT_TRUE(std::isnan(value.fetch()[0])) << index;
  }
  run(read_at, {}, static_cast<const float*>(array.data()), 9, value.data());
  EXPECT_EQ(value.fetch()[0], 1.0F);
}

TEST_F(EmulatorTest, CopiesAreHeldToTheirPlaces) {
  const DeviceArray<float> array(std::vector<float>(16));
  run(copy_to_shared_at, {.shared_bytes = 64}, static_cast<const float*>(array.data()), 48U);
  expect_failure({"16 bytes at offset 64 of shared memory, which has 64", "copy_async_16 at emulator_test.cu:"},
                 copy_to_shared_at, {.shared_bytes = 64}, static_cast<const float*>(array.data()), 64U);
  expect_failure({"not a multiple of 16"}, copy_to_shared_at, {.shared_bytes = 64},
                 static_cast<const float*>(array.data()), 8U);
  expect_error(ErrorKind::internal, [&] {
    Stream& stream = cuda_device().compute_stream();
    cuda_device().fill_zero(array.data(), 65, stream);
  });
}

__global__ void copy_without_waiting(const int* from, int* to, bool waits) {
  int* shared = reinterpret_cast<int*>(ptx::dynamic_shared_memory());
  ptx::copy_async_16(ptx::shared_address(shared + 4 * threadIdx.x), from + 4 * threadIdx.x);
  ptx::commit_copies();
  if (waits) {
    ptx::wait_copies<0>();
  }
  to[threadIdx.x] = shared[4 * threadIdx.x];
  ptx::wait_copies<0>();
}

TEST_F(EmulatorTest, AMissingWaitForACopyShows) {
  std::vector<int> numbers(4 * 32, 7);
  const DeviceArray<int> from(numbers);
  for (const bool waits : {true, false}) {
    const DeviceArray<int> to(std::vector<int>(32));
    run(copy_without_waiting, {.grid = 1, .block = 32, .shared_bytes = 512}, from.data(), to.data(), waits);
    EXPECT_EQ(std::ranges::count(to.fetch(), 7) == 32, waits);
  }
}

/// d = a b of ones, with or without waiting for it.
__global__ void multiply_without_waiting(float* to, bool waits) {
  auto* shared = reinterpret_cast<bf16*>(ptx::dynamic_shared_memory());
  for (unsigned index = threadIdx.x; index < 2 * 64 * 64; index += blockDim.x) {
    shared[index] = bf16::from_bits(0x3f80);
  }
  __syncthreads();
  const ptx::SharedAddress a = ptx::shared_address(shared);
  float sums[32] = {};
  for (int step = 0; step < 4; ++step) {
    ptx::wgmma<64, ptx::Major::k, ptx::Major::k>(sums, ptx::make_descriptor(ptx::Swizzle::bytes_128, a, 16, 1024),
                                                 ptx::make_descriptor(ptx::Swizzle::bytes_128, a + 8192, 16, 1024),
                                                 step > 0);
    ptx::commit_wgmma();
  }
  if (waits) {
    ptx::wait_wgmma<0>();
  }
  to[threadIdx.x] = sums[5];
  ptx::wait_wgmma<0>();
}

TEST_F(EmulatorTest, AMissingWaitForAProductShows) {
  int times_right = 0;
  for (int time = 0; time < 10; ++time) {
    const DeviceArray<float> to(std::vector<float>(128));
    run(multiply_without_waiting, {.grid = 1, .block = 128, .shared_bytes = 16384}, to.data(), false);
    times_right += std::ranges::count(to.fetch(), 64.0F) == 128 ? 1 : 0;
  }
  EXPECT_LT(times_right, 10);
  const DeviceArray<float> to(std::vector<float>(128));
  run(multiply_without_waiting, {.grid = 1, .block = 128, .shared_bytes = 16384}, to.data(), true);
  EXPECT_EQ(std::ranges::count(to.fetch(), 64.0F), 128);
}

__global__ void arrive_often(unsigned announced, unsigned arrivals, bool is_initialized) {
  const ptx::SharedAddress barrier = ptx::shared_address(ptx::dynamic_shared_memory());
  if (is_initialized) {
    ptx::init_barrier(barrier, announced);
  }
  for (unsigned arrival = 0; arrival < arrivals; ++arrival) {
    ptx::arrive(barrier);
  }
  ptx::wait(barrier, 0);
}

TEST_F(EmulatorTest, MbarriersCountTheirArrivals) {
  run(arrive_often, {.shared_bytes = 8}, 3U, 3U, true);
  expect_failure({"deadlock: 1 of 1 threads", "wait for parity 0"}, arrive_often, {.shared_bytes = 8}, 3U, 2U, true);
  expect_failure({"not initialized"}, arrive_often, {.shared_bytes = 8}, 3U, 3U, false);
}

/// A producer warpgroup gives registers up, and two consumers of 384 threads share them: 3 * 168 = 504 in all.
template <int producer, int consumer>
__global__ void __launch_bounds__(384, 1) share_registers() {
  if (threadIdx.x < 128) {
    ptx::lower_registers_to<producer>();
  } else {
    ptx::raise_registers_to<consumer>();
  }
}

TEST_F(EmulatorTest, ABlockHasTheRegistersThatItStartedWith) {
  run(share_registers<24, 240>, {.block = 384});
  run(share_registers<40, 232>, {.block = 384});
  run(share_registers<168, 168>, {.block = 384});
  expect_failure({"deadlock: ", "at raise_registers_to at emulator_test.cu:",
                  "wants 240: the block started with 168 for each of its 384 threads"},
                 share_registers<32, 240>, {.block = 384});
  expect_failure({"deadlock: 256 of 384 threads"}, share_registers<168, 176>, {.block = 384});
  expect_failure({"lower_registers_to at emulator_test.cu:", "the warp has 168 registers a thread"},
                 share_registers<176, 168>, {.block = 384});
}

/// One warp of a warpgroup stays behind.
__global__ void __launch_bounds__(128, 1) share_unevenly() {
  if (threadIdx.x >= 32) {
    ptx::lower_registers_to<40>();
  }
}

TEST_F(EmulatorTest, AWarpgroupSharesRegistersAsOne) {
  expect_failure({"the warps of one warpgroup hold different numbers of registers"}, share_unevenly, {.block = 128});
}

// What ptxas 13.0 reports for kernels with setmaxnreg and __launch_bounds__(threads, 1).
TEST_F(EmulatorTest, RegistersAtLaunchAreThoseOfPtxas) {
  EXPECT_EQ(cuda_emulator::registers_at_launch(1024), 64);
  EXPECT_EQ(cuda_emulator::registers_at_launch(640), 96);
  EXPECT_EQ(cuda_emulator::registers_at_launch(512), 128);
  EXPECT_EQ(cuda_emulator::registers_at_launch(384), 168);
  EXPECT_EQ(cuda_emulator::registers_at_launch(128), 256);
}

TEST_F(EmulatorTest, AStreamThatDoesNotWaitMissesTheOther) {
  Device& gpu = cuda_device();
  for (const bool waits : {true, false}) {
    const std::unique_ptr<Stream> producer = gpu.make_stream();
    const std::unique_ptr<Stream> consumer = gpu.make_stream();
    const std::unique_ptr<Event> is_produced = gpu.make_event();
    const Buffer source(64, DeviceKind::cuda);
    const Buffer target(64, DeviceKind::cuda);
    gpu.fill_zero(source.data(), 64, *producer);
    is_produced->record(*producer);
    if (waits) {
      consumer->wait_for(*is_produced);
    }
    gpu.copy(target.data(), source.data(), 64, *consumer);
    float value = 1;
    gpu.copy(&value, target.data(), sizeof(value), *consumer);
    EXPECT_EQ(value == 0.0F, waits);
    EXPECT_EQ(is_produced->has_happened(), waits);
  }
}

TEST_F(EmulatorTest, AHostThatDoesNotWaitReadsWhatWasThere) {
  Device& gpu = cuda_device();
  Stream& stream = gpu.compute_stream();
  const Buffer pinned(4, DeviceKind::pinned);
  const Buffer zero(4, DeviceKind::cuda);
  *pinned.as<int>() = 5;
  gpu.fill_zero(zero.data(), 4, stream);
  gpu.copy(pinned.data(), zero.data(), 4, stream);
  EXPECT_EQ(*pinned.as<int>(), 5);
  stream.synchronize();
  EXPECT_EQ(*pinned.as<int>(), 0);
}

TEST_F(EmulatorTest, PointersOfTheWrongSideAreRefused) {
  int on_the_host = 0;
  expect_failure({"ordinary host memory"}, write_at, {}, reinterpret_cast<float*>(&on_the_host), 0);
  const DeviceArray<int> array(std::vector<int>{1});
  EXPECT_DEATH(*array.data() = 2, "host code touched device memory");
}

}  // namespace
}  // namespace ringworld::test
