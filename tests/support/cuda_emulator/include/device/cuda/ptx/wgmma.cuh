#pragma once
/// @file  Twin of src/device/cuda/ptx/wgmma.cuh. Each warp computes its own 16 rows, when it has come itself: PTX promises
/// no order between the four warps of a warpgroup.
/// Source: PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions"; register fragments of "wgmma.mma_async.m64nNk16".

#include <cuda_runtime.h>

#include <bit>
#include <cstdint>
#include <vector>

#include "core/bf16.hpp"
#include "device/cuda/ptx/bulk_copy.cuh"
#include "device/cuda/ptx/matrix_descriptor.cuh"
#include "device/cuda/ptx/mma.cuh"

namespace cuda_emulator {

/// A matrix descriptor, taken apart bit by bit.
struct Operand {
  std::uint32_t start, leading, stride;
  unsigned swizzle_bytes;
  bool is_mn_major;

  Operand(std::uint64_t descriptor, ringworld::ptx::Major major)
      : start(static_cast<std::uint32_t>(descriptor & 0x3fffU) << 4U),
        leading(static_cast<std::uint32_t>(descriptor >> 16U & 0x3fffU) << 4U),
        stride(static_cast<std::uint32_t>(descriptor >> 32U & 0x3fffU) << 4U),
        swizzle_bytes((descriptor >> 62U) == 0 ? 0 : 256U >> (descriptor >> 62U)),
        is_mn_major(major == ringworld::ptx::Major::mn) {
    if ((descriptor >> 49U & 7U) != 0) {
      throw Failure("wgmma: a descriptor with a base offset");
    }
  }

  /// The element of index `mn` (m of a, n of b) and `k`, before the swizzle.
  [[nodiscard]] std::uint32_t address_of(unsigned mn, unsigned k) const {
    if (swizzle_bytes == 0) {  // 8x8 matrices of 128 bytes, each in one piece
      const unsigned row = is_mn_major ? k % 8 : mn % 8;
      const unsigned column = is_mn_major ? mn % 8 : k % 8;
      return start + mn / 8 * stride + k / 8 * leading + row * 16 + column * 2;
    }
    if (is_mn_major) {
      const unsigned row_elements = swizzle_bytes / 2;
      return start + mn / row_elements * leading + k / 8 * stride + k % 8 * swizzle_bytes + mn % row_elements * 2;
    }
    return start + mn / 8 * stride + mn % 8 * swizzle_bytes + k * 2;
  }

  [[nodiscard]] float at(unsigned mn, unsigned k, const Place& place) const {
    const std::byte* byte = shared_bytes_at(swizzle(address_of(mn, k), swizzle_bytes), 2, 2, place);
    return static_cast<float>(*reinterpret_cast<const ringworld::bf16*>(byte));
  }
};

/// What the 32 threads of a warp bring to one product.
struct WarpProduct {
  std::array<float*, warp_threads> d{};
  std::array<std::array<std::uint32_t, 4>, warp_threads> a_registers{};
  bool has_a_in_registers = false;
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  ringworld::ptx::Major major_a{};
  ringworld::ptx::Major major_b{};
  bool is_added = false;
  unsigned warp = 0;  ///< in its warpgroup
  int width = 0;
  Place place;

  /// a (16, 16): the rows of this warp.
  void fetch_a(float (&rows)[16][16]) const {
    if (!has_a_in_registers) {
      const Operand operand(a, major_a);
      for (unsigned row = 0; row < 16; ++row) {
        for (unsigned k = 0; k < 16; ++k) {
          rows[row][k] = operand.at(16 * warp + row, k, place);
        }
      }
      return;
    }
    for (unsigned thread = 0; thread < warp_threads; ++thread) {
      for (unsigned index = 0; index < 4; ++index) {
        for (unsigned half = 0; half < 2; ++half) {
          rows[thread / 4 + 8 * (index % 2)][2 * (thread % 4) + 8 * (index / 2) + half] =
              bf16_half(a_registers[thread][index], half);
        }
      }
    }
  }

  void run() const {
    const auto columns = static_cast<std::size_t>(width);
    float rows[16][16];
    fetch_a(rows);
    const Operand operand(b, major_b);
    std::vector<float> right(16 * columns);  // (16, N)
    for (unsigned k = 0; k < 16; ++k) {
      for (unsigned n = 0; n < columns; ++n) {
        right[k * columns + n] = operand.at(n, k, place);
      }
    }
    std::vector<float> sums(columns);
    for (unsigned row = 0; row < 16; ++row) {
      std::fill(sums.begin(), sums.end(), 0.0F);
      for (unsigned k = 0; k < 16; ++k) {
        for (std::size_t n = 0; n < columns; ++n) {
          sums[n] += rows[row][k] * right[k * columns + n];
        }
      }
      for (std::size_t n = 0; n < columns; ++n) {
        const std::size_t thread = row % 8 * 4 + n % 8 / 2;
        float& element = d[thread][n / 8 * 4 + row / 8 * 2 + n % 2];
        element = is_added ? element + sums[n] : sums[n];
      }
    }
  }
};

/// Collects the shares of a warp, and adds the product to its queue.
inline void add_product(WarpProduct mine) {
  mine.warp = warp_in_warpgroup(mine.place);
  mine.d[lane()] = mine.d[0];
  mine.a_registers[lane()] = mine.a_registers[0];
  meet_warp(
      0xffffffffU, &mine,
      [](const Shares& shares) {
        require_whole_warp(shares);
        WarpProduct all = *static_cast<const WarpProduct*>(shares[0]);
        for (unsigned thread = 1; thread < warp_threads; ++thread) {
          const auto& share = *static_cast<const WarpProduct*>(shares[thread]);
          if (share.a != all.a || share.b != all.b || share.is_added != all.is_added || share.width != all.width) {
            throw Failure("the threads of a warp gave wgmma different operands: " + describe(share.place));
          }
          all.d[thread] = share.d[thread];
          all.a_registers[thread] = share.a_registers[thread];
        }
        warp_products().add([all] { all.run(); });
      },
      mine.place);
}

/// Lets one thread of the warp do something with the queue of its products.
inline void with_products(void (*action)(const Shares&), int& pending, const Place& place) {
  meet_warp(0xffffffffU, &pending, action, place);
}

}  // namespace cuda_emulator

namespace ringworld::ptx {

inline void fence_wgmma(CudaEmulatorLine line = CudaEmulatorLine::current()) {
  static_cast<void>(cuda_emulator::vote(0xffffffffU, true, {"fence_wgmma", line}));
}

inline void commit_wgmma(CudaEmulatorLine line = CudaEmulatorLine::current()) {
  int unused = 0;
  cuda_emulator::with_products([](const cuda_emulator::Shares& /*shares*/) { cuda_emulator::warp_products().commit(); },
                               unused, {"commit_wgmma", line});
}

template <int pending>
void wait_wgmma(CudaEmulatorLine line = CudaEmulatorLine::current()) {
  static_assert(pending >= 0 && pending <= 7);
  int unused = 0;
  cuda_emulator::with_products(
      [](const cuda_emulator::Shares& /*shares*/) { cuda_emulator::warp_products().wait(pending); }, unused,
      {"wait_wgmma", line});
}

template <int count>
void hold_registers(float (& /*d*/)[count]) {}

template <int count>
void hold_registers(std::uint32_t (& /*a*/)[count][4]) {}

template <int N>
inline constexpr bool is_wgmma_width = N % 16 == 0 && N >= 16 && N <= 256 && (N <= 128 || N % 32 == 0 || N == 176);

template <int N, Major major_a, Major major_b>
void wgmma(float (&d)[N / 2], MatrixDescriptor a, MatrixDescriptor b, bool is_added,
           CudaEmulatorLine line = CudaEmulatorLine::current()) {
  static_assert(is_wgmma_width<N>);
  cuda_emulator::WarpProduct product;
  product.d[0] = d;
  product.a = a;
  product.b = b;
  product.major_a = major_a;
  product.major_b = major_b;
  product.is_added = is_added;
  product.width = N;
  product.place = {"wgmma", line};
  cuda_emulator::add_product(product);
}

template <int N, Major major_b>
void wgmma(float (&d)[N / 2], const std::uint32_t (&a)[4], MatrixDescriptor b, bool is_added,
           CudaEmulatorLine line = CudaEmulatorLine::current()) {
  static_assert(is_wgmma_width<N>);
  cuda_emulator::WarpProduct product;
  product.d[0] = d;
  product.has_a_in_registers = true;
  product.a_registers[0] = {a[0], a[1], a[2], a[3]};
  product.b = b;
  product.major_b = major_b;
  product.is_added = is_added;
  product.width = N;
  product.place = {"wgmma", line};
  cuda_emulator::add_product(product);
}

}  // namespace ringworld::ptx
