// What only Hopper has: bulk copies of tiles, mbarriers, products of warpgroups. Whole numbers, so all sums are exact.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <vector>

#include "core/bf16.hpp"
#include "device/cuda/check.hpp"
#include "device/cuda/launch.cuh"
#include "device/cuda/native_stream.hpp"
#include "device/cuda/ptx/bulk_copy.cuh"
#include "device/cuda/ptx/math.cuh"
#include "device/cuda/ptx/mbarrier.cuh"
#include "device/cuda/ptx/named_barrier.cuh"
#include "device/cuda/ptx/registers.cuh"
#include "device/cuda/ptx/warp.cuh"
#include "device/cuda/ptx/wgmma.cuh"
#include "device/cuda/tensor_map.hpp"
#include "device_array.hpp"
#include "small_numbers.hpp"

namespace ringworld::test {
namespace {

class HopperTest : public CudaTest {
 protected:
  void SetUp() override {
    CudaTest::SetUp();
    if (IsSkipped()) {
      return;
    }
    int major = 0;
    check_cuda(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0));
    if (major != 9) {
      GTEST_SKIP() << "this GPU is not of the Hopper generation";
    }
  }
};

constexpr std::uint32_t tile_bytes = 64 * 64 * sizeof(bf16);

/// Copies the box at (column, row) of `from` to the one at (0, 0) of `to`, and adds it to `sums`.
__global__ void move_box(const __grid_constant__ CUtensorMap from, const __grid_constant__ CUtensorMap to,
                         const __grid_constant__ CUtensorMap sums, int column, int row) {
  const ptx::SharedAddress barrier = ptx::shared_address(ptx::dynamic_shared_memory());
  const ptx::SharedAddress box = barrier + 1024;
  if (threadIdx.x == 0) {
    ptx::prefetch_tensor_map(&from);
    ptx::init_barrier(barrier, 1);
    ptx::fence_barrier_init();
    ptx::arrive_expecting(barrier, 16 * 8 * sizeof(float));
    ptx::load_tile(ptx::CacheHint::evict_first, box, &from, barrier, column, row, 0, 0);
    ptx::wait(barrier, 0);
    ptx::store_tile(&to, box, 0, 0, 0, 0);
    ptx::add_tile(&sums, box, 0, 0, 0, 0);
    ptx::commit_bulk();
    ptx::wait_bulk<0>();
  }
}

TEST_F(HopperTest, BoxesOverTheEdgeAreZeroThereAndLeaveTheRestAlone) {
  constexpr int rows = 10;
  constexpr int columns = 20;
  const std::vector<float> numbers = small_numbers(rows * columns, 5);
  const DeviceArray<float> from(numbers);
  const DeviceArray<float> to(std::vector<float>(rows * columns, 100.0F));
  const DeviceArray<float> sums(std::vector<float>(rows * columns, 1000.0F));
  const auto map_of = [](const DeviceArray<float>& array, std::int64_t last_row) {
    return make_tensor_map({.data = array.data(),
                            .dtype = DType::float32,
                            .sizes = {columns, last_row, 1, 1},
                            .strides = {1, columns, 0, 0},
                            .box = {16, 8, 1, 1}});
  };
  // The box hangs over the source at its right and lower edge, over the sums at the lower one.
  launch(move_box, {.grid = 1, .block = 32, .shared_bytes = 4096}, native_compute_stream(), map_of(from, rows),
         map_of(to, rows), map_of(sums, 5), 8, 4);
  const std::vector<float> copied = to.fetch();
  const std::vector<float> added = sums.fetch();
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < columns; ++column) {
      const auto index = static_cast<std::size_t>(row * columns + column);
      const bool is_in_source = row + 4 < rows && column + 8 < columns;
      const float value = is_in_source ? numbers[index + 4 * columns + 8] : 0.0F;
      const bool is_in_box = row < 8 && column < 16;
      ASSERT_EQ(copied[index], is_in_box ? value : 100.0F) << row << ", " << column;
      ASSERT_EQ(added[index], is_in_box && row < 5 ? 1000.0F + value : 1000.0F) << row << ", " << column;
    }
  }
}

/// Adds `count` floats to others, through shared memory.
__global__ void add_rows(const float* from, float* to, int count) {
  const ptx::SharedAddress barrier = ptx::shared_address(ptx::dynamic_shared_memory());
  const ptx::SharedAddress row = barrier + 1024;
  const auto bytes = static_cast<std::uint32_t>(count * sizeof(float));
  if (threadIdx.x < 32 && ptx::elect_one()) {
    ptx::init_barrier(barrier, 1);
    ptx::fence_barrier_init();
    ptx::arrive_expecting(barrier, bytes);
    ptx::load_row(row, from, bytes, barrier);
    ptx::wait(barrier, 0);
    ptx::add_row(to, row, bytes);
    ptx::add_row(to, row, bytes);
    ptx::store_row(to + count, row, bytes);
    ptx::commit_bulk();
    ptx::wait_bulk<0>();
  }
}

TEST_F(HopperTest, RowsAreCopiedAndAdded) {
  constexpr int count = 64;
  const std::vector<float> numbers = small_numbers(count, 6);
  const DeviceArray<float> from(numbers);
  const DeviceArray<float> to(std::vector<float>(2 * count, 1.0F));
  launch(add_rows, {.grid = 1, .block = 64, .shared_bytes = 2048}, native_compute_stream(), from.data(), to.data(),
         count);
  const std::vector<float> found = to.fetch();
  for (std::size_t index = 0; index < count; ++index) {
    ASSERT_EQ(found[index], 1.0F + 2 * numbers[index]);
    ASSERT_EQ(found[count + index], numbers[index]);
  }
}

/// How the operands of one product lie.
enum class Left { k_major, mn_major, registers };

/// d (64, 128) += a (64, 64) b (64, 128).
/// @param a_map  a as (64 m, 64 k), or as (64 k, 64 m) where it is MN-major
/// @param b_map  b as (128 n, 64 k), or as (64 k, 128 n) where it is MN-major; boxes of 64 columns
template <Left left, ptx::Major major_b>
__global__ void __launch_bounds__(128, 1)
    multiply(const __grid_constant__ CUtensorMap a_map, const __grid_constant__ CUtensorMap b_map, float* d) {
  const ptx::SharedAddress barrier = ptx::shared_address(ptx::dynamic_shared_memory());
  const ptx::SharedAddress a = barrier + 1024;
  const ptx::SharedAddress b = a + tile_bytes;
  const int thread = static_cast<int>(threadIdx.x);
  if (thread == 0) {
    ptx::init_barrier(barrier, 1);
    ptx::fence_barrier_init();
  }
  __syncthreads();
  if (thread == 0) {
    ptx::arrive_expecting(barrier, 3 * tile_bytes);
    ptx::load_tile(ptx::CacheHint::normal, a, &a_map, barrier, 0, 0, 0, 0);
    if constexpr (major_b == ptx::Major::k) {
      ptx::load_tile(ptx::CacheHint::normal, b, &b_map, barrier, 0, 0, 0, 0);
    } else {
      ptx::load_tile(ptx::CacheHint::normal, b, &b_map, barrier, 0, 0, 0, 0);
      ptx::load_tile(ptx::CacheHint::normal, b + tile_bytes, &b_map, barrier, 64, 0, 0, 0);
    }
  }
  ptx::wait(barrier, 0);

  const int row = thread / 32 * 16 + thread % 32 / 4;
  const int column = 2 * (thread % 4);
  float sums[64];
  for (int index = 0; index < 64; ++index) {
    sums[index] = d[(row + 8 * (index / 2 % 2)) * 128 + index / 4 * 8 + column + index % 2];
  }
  // A swizzled K-major row is 128 bytes, 64 values of k; a step of 16 of them moves by 32 bytes within it.
  const auto a_start = ptx::make_descriptor(ptx::Swizzle::bytes_128, a, tile_bytes, 1024);
  const auto b_start = ptx::make_descriptor(ptx::Swizzle::bytes_128, b, tile_bytes, 1024);
  constexpr std::uint32_t a_step = left == Left::k_major ? 32 : 2048;
  constexpr std::uint32_t b_step = major_b == ptx::Major::k ? 32 : 2048;
  ptx::hold_registers(sums);
  ptx::fence_wgmma();
  for (int step = 0; step < 4; ++step) {
    const auto right = ptx::advance(b_start, static_cast<std::uint32_t>(step) * b_step);
    if constexpr (left == Left::registers) {
      const auto* rows = reinterpret_cast<const unsigned char*>(ptx::dynamic_shared_memory()) + 1024;
      std::uint32_t fragment[4];
      for (int index = 0; index < 4; ++index) {
        const int m = row + 8 * (index % 2);
        const int k = 16 * step + 8 * (index / 2) + column;
        // The tile lies in the swizzle that the other operand needs.
        const int byte = m * 128 + ((k / 8) ^ (m % 8)) * 16 + k % 8 * 2;
        fragment[index] = *reinterpret_cast<const std::uint32_t*>(rows + byte);
      }
      ptx::wgmma<128, major_b>(sums, fragment, right, true);
    } else {
      constexpr ptx::Major major_a = left == Left::k_major ? ptx::Major::k : ptx::Major::mn;
      ptx::wgmma<128, major_a, major_b>(sums, ptx::advance(a_start, static_cast<std::uint32_t>(step) * a_step), right,
                                        true);
    }
  }
  ptx::commit_wgmma();
  ptx::wait_wgmma<0>();
  ptx::hold_registers(sums);
  for (int index = 0; index < 64; ++index) {
    d[(row + 8 * (index / 2 % 2)) * 128 + index / 4 * 8 + column + index % 2] = sums[index];
  }
}

/// (columns, rows) row major from (rows, columns) row major.
std::vector<float> transposed(const std::vector<float>& matrix, std::size_t rows, std::size_t columns) {
  std::vector<float> result(matrix.size());
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t column = 0; column < columns; ++column) {
      result[column * rows + row] = matrix[row * columns + column];
    }
  }
  return result;
}

template <Left left, ptx::Major major_b>
void expect_product() {
  const std::vector<float> a = small_numbers(64 * 64, 7);   // (m, k)
  const std::vector<float> b = small_numbers(128 * 64, 8);  // (n, k)
  const DeviceArray<bf16> a_array(rounded(left == Left::mn_major ? transposed(a, 64, 64) : a));
  const DeviceArray<bf16> b_array(rounded(major_b == ptx::Major::mn ? transposed(b, 128, 64) : b));
  const DeviceArray<float> d(std::vector<float>(64 * 128, 0.5F));
  const CUtensorMap a_map = make_tensor_map({.data = a_array.data(),
                                             .sizes = {64, 64, 1, 1},
                                             .strides = {1, 64, 0, 0},
                                             .box = {64, 64, 1, 1},
                                             .swizzle = BoxSwizzle::bytes_128});
  const bool is_k_major = major_b == ptx::Major::k;
  const CUtensorMap b_map = make_tensor_map({.data = b_array.data(),
                                             .sizes = {is_k_major ? 64 : 128, is_k_major ? 128 : 64, 1, 1},
                                             .strides = {1, is_k_major ? 64 : 128, 0, 0},
                                             .box = {64, is_k_major ? 128 : 64, 1, 1},
                                             .swizzle = BoxSwizzle::bytes_128});
  launch(multiply<left, major_b>, {.grid = 1, .block = 128, .shared_bytes = 1024 + 3 * tile_bytes},
         native_compute_stream(), a_map, b_map, d.data());
  const std::vector<float> found = d.fetch();
  for (std::size_t m = 0; m < 64; ++m) {
    for (std::size_t n = 0; n < 128; ++n) {
      float sum = 0.5F;
      for (std::size_t k = 0; k < 64; ++k) {
        sum += a[m * 64 + k] * b[n * 64 + k];
      }
      ASSERT_EQ(found[m * 128 + n], sum) << m << ", " << n;
    }
  }
}

TEST_F(HopperTest, MultipliesKMajorOperands) { expect_product<Left::k_major, ptx::Major::k>(); }
TEST_F(HopperTest, MultipliesAnMnMajorRightOperand) { expect_product<Left::k_major, ptx::Major::mn>(); }
TEST_F(HopperTest, MultipliesMnMajorOperands) { expect_product<Left::mn_major, ptx::Major::mn>(); }
TEST_F(HopperTest, MultipliesALeftOperandInRegisters) {
  expect_product<Left::registers, ptx::Major::k>();
  expect_product<Left::registers, ptx::Major::mn>();
}

/// A producer warpgroup hands numbers to a consumer warpgroup through a ring of two slots.
///
///   producer:  wait(empty) write arrive(full)        consumer:  wait(full) read arrive(empty)
__global__ void __launch_bounds__(256, 1) hand_over(const int* from, int* to, int rounds) {
  auto* memory = ptx::dynamic_shared_memory();
  const ptx::SharedAddress barriers = ptx::shared_address(memory);
  int* slots = reinterpret_cast<int*>(memory + 1024);
  const int thread = static_cast<int>(threadIdx.x) % 128;
  const auto full = [=](int slot) { return barriers + 16 * slot; };
  const auto empty = [=](int slot) { return barriers + 16 * slot + 8; };
  if (threadIdx.x == 0) {
    for (int slot = 0; slot < 2; ++slot) {
      ptx::init_barrier(full(slot), 128);
      ptx::init_barrier(empty(slot), 128);
    }
    ptx::fence_barrier_init();
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    ptx::lower_registers_to<40>();
    for (int round = 0; round < rounds; ++round) {
      const int slot = round % 2;
      ptx::wait(empty(slot), (round / 2 + 1) % 2);  // the first time round nothing has to be emptied
      slots[slot * 128 + thread] = from[round * 128 + thread];
      ptx::arrive(full(slot));
    }
  } else {
    ptx::raise_registers_to<232>();
    int sum = 0;
    for (int round = 0; round < rounds; ++round) {
      const int slot = round % 2;
      ptx::wait(full(slot), round / 2 % 2);
      sum += slots[slot * 128 + 127 - thread];
      ptx::arrive(empty(slot));
      ptx::barrier_sync(1, 128);
    }
    to[thread] = sum;
  }
}

TEST_F(HopperTest, BarriersHandOverARingOfSlots) {
  constexpr int rounds = 7;
  std::vector<int> numbers(rounds * 128);
  for (std::size_t index = 0; index < numbers.size(); ++index) {
    numbers[index] = static_cast<int>(index * index % 1009);
  }
  const DeviceArray<int> from(numbers);
  const DeviceArray<int> to(std::vector<int>(128));
  launch(hand_over, {.grid = 1, .block = 256, .shared_bytes = 2048}, native_compute_stream(), from.data(), to.data(),
         rounds);
  const std::vector<int> found = to.fetch();
  for (std::size_t thread = 0; thread < 128; ++thread) {
    int sum = 0;
    for (std::size_t round = 0; round < rounds; ++round) {
      sum += numbers[round * 128 + 127 - thread];
    }
    ASSERT_EQ(found[thread], sum) << thread;
  }
}

}  // namespace
}  // namespace ringworld::test
