// The fragments of the tensor cores, against products of small whole numbers, which are exact in every type.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <vector>

#include "core/bf16.hpp"
#include "device/cuda/launch.cuh"
#include "device/cuda/native_stream.hpp"
#include "device/cuda/ptx/async_copy.cuh"
#include "device/cuda/ptx/math.cuh"
#include "device/cuda/ptx/matrix_copy.cuh"
#include "device/cuda/ptx/mma.cuh"
#include "device_array.hpp"
#include "small_numbers.hpp"

namespace ringworld::test {
namespace {

using MmaTest = CudaTest;

/// d (16, 8) = a (16, 16) b (16, 8), both row major, by the ways that attention takes: a as it lies, b transposed.
__global__ void multiply_bf16(const bf16* a, const bf16* b, float* d) {
  const int lane = static_cast<int>(threadIdx.x);
  const ptx::SharedAddress left = ptx::shared_address(ptx::dynamic_shared_memory());
  const ptx::SharedAddress right = left + 16 * 16 * sizeof(bf16);
  // 16 bytes a lane: the 32 halves of a's rows, then the 16 rows of b.
  ptx::copy_async_16(left + 16 * lane, a + 8 * lane);
  if (lane < 16) {
    ptx::copy_async_16(right + 16 * lane, b + 8 * lane);
  }
  ptx::commit_copies();
  ptx::wait_copies<0>();
  __syncwarp();
  std::uint32_t fragment_a[4];
  std::uint32_t fragment_b[2];
  // Matrices of a: rows 0-7 and 8-15 of columns 0-7, then of columns 8-15.
  ptx::load_matrices(fragment_a, left + (lane % 16) * 32 + lane / 16 * 16);
  ptx::load_matrices_transposed(fragment_b, right + (lane % 16) * 16);
  float sums[4] = {};
  ptx::mma_m16n8k16_bf16(sums, fragment_a, fragment_b[0], fragment_b[1]);
  ptx::mma_m16n8k16_bf16(sums, fragment_a, fragment_b[0], fragment_b[1]);
  for (int index = 0; index < 4; ++index) {
    d[(lane / 4 + 8 * (index / 2)) * 8 + 2 * (lane % 4) + index % 2] = sums[index];
  }
}

TEST_F(MmaTest, TwiceTheProductOfBf16) {
  const std::vector<float> a = small_numbers(16 * 16, 1);
  const std::vector<float> b = small_numbers(16 * 8, 2);
  const DeviceArray<bf16> left(rounded(a));
  const DeviceArray<bf16> right(rounded(b));
  const DeviceArray<float> d(std::vector<float>(16 * 8));
  launch(multiply_bf16, {.grid = 1, .block = 32, .shared_bytes = 1024}, native_compute_stream(), left.data(),
         right.data(), d.data());
  const std::vector<float> found = d.fetch();
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      float sum = 0;
      for (int k = 0; k < 16; ++k) {
        sum += 2 * a[static_cast<std::size_t>(row * 16 + k)] * b[static_cast<std::size_t>(k * 8 + column)];
      }
      ASSERT_EQ(found[static_cast<std::size_t>(row * 8 + column)], sum) << row << ", " << column;
    }
  }
}

/// d (16, 8) = a (16, 8) b (8, 8), row major.
__global__ void multiply_tf32(const float* a, const float* b, float* d) {
  const int g = static_cast<int>(threadIdx.x) / 4;
  const int j = static_cast<int>(threadIdx.x) % 4;
  std::uint32_t fragment_a[4];
  for (int index = 0; index < 4; ++index) {
    fragment_a[index] = ptx::round_to_tf32(a[(g + 8 * (index % 2)) * 8 + j + 4 * (index / 2)]);
  }
  float sums[4] = {};
  ptx::mma_m16n8k8_tf32(sums, fragment_a, ptx::round_to_tf32(b[j * 8 + g]), ptx::round_to_tf32(b[(j + 4) * 8 + g]));
  for (int index = 0; index < 4; ++index) {
    d[(g + 8 * (index / 2)) * 8 + 2 * j + index % 2] = sums[index];
  }
}

TEST_F(MmaTest, TheProductOfTf32) {
  const std::vector<float> a = small_numbers(16 * 8, 3);
  const std::vector<float> b = small_numbers(8 * 8, 4);
  const DeviceArray<float> left(a);
  const DeviceArray<float> right(b);
  const DeviceArray<float> d(std::vector<float>(16 * 8));
  launch(multiply_tf32, {.grid = 1, .block = 32}, native_compute_stream(), left.data(), right.data(), d.data());
  const std::vector<float> found = d.fetch();
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      float sum = 0;
      for (int k = 0; k < 8; ++k) {
        sum += a[static_cast<std::size_t>(row * 8 + k)] * b[static_cast<std::size_t>(k * 8 + column)];
      }
      ASSERT_EQ(found[static_cast<std::size_t>(row * 8 + column)], sum) << row << ", " << column;
    }
  }
}

__global__ void convert(float* numbers, std::uint32_t* words) {
  words[0] = ptx::pack_bf16(numbers[0], numbers[1]);
  words[1] = ptx::round_to_tf32(numbers[2]);
  numbers[3] = ptx::exp2_approx(numbers[3]);
  numbers[4] = ptx::exp2_approx(numbers[4]);
}

TEST_F(MmaTest, ConversionsRoundAsTheirTypesDo) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const DeviceArray<float> numbers({1.00390625F, -3.0F, 1.0F + 0x1p-11F, -infinity, 3.0F});
  const DeviceArray<std::uint32_t> words({0, 0});
  launch(convert, {.grid = 1, .block = 1}, native_compute_stream(), numbers.data(), words.data());
  EXPECT_EQ(words.fetch()[0], 0xc0403f80U) << "-3 above 1, a tie that goes to even";
  EXPECT_EQ(words.fetch()[1], 0x3f802000U) << "1 + 2^-10: a tie that goes away from zero";
  EXPECT_EQ(numbers.fetch()[3], 0.0F);
  EXPECT_NEAR(numbers.fetch()[4], 8.0F, 1e-5F);
}

}  // namespace
}  // namespace ringworld::test
