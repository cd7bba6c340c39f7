#pragma once
/// @file  Twin of src/device/cuda/ptx/matrix_copy.cuh.

#include <cstdint>
#include <cstring>

#include "device/cuda/ptx/shared_memory.cuh"

namespace cuda_emulator {

/// One thread's part in moving `count` matrices.
template <int count>
struct MatrixCopy {
  std::uint32_t row = 0;
  std::uint32_t* registers = nullptr;
  Place place;
};

/// Where in a matrix the half `half` of a thread's register lies.
struct MatrixElement {
  unsigned row, column;
};
template <bool is_transposed>
MatrixElement element_of(unsigned thread, unsigned half) {
  const MatrixElement plain{thread / 4, 2 * (thread % 4) + half};
  return is_transposed ? MatrixElement{plain.column, plain.row} : plain;
}

template <int count, bool is_transposed, bool is_store>
void move_matrices(std::uint32_t row, std::uint32_t* registers, const Place& place) {
  MatrixCopy<count> mine{row, registers, place};
  meet_warp(
      0xffffffffU, &mine,
      [](const Shares& shares) {
        for (unsigned matrix = 0; matrix < static_cast<unsigned>(count); ++matrix) {
          for (unsigned thread = 0; thread < 32; ++thread) {
            const auto* to = static_cast<const MatrixCopy<count>*>(shares[thread]);
            if (to == nullptr) {
              throw Failure("matrices are copied by whole warps");
            }
            for (unsigned half = 0; half < 2; ++half) {
              const MatrixElement element = element_of<is_transposed>(thread, half);
              const auto* from = static_cast<const MatrixCopy<count>*>(shares[std::size_t{8} * matrix + element.row]);
              std::byte* memory = shared_bytes_at(from->row, 16, 16, from->place) + 2 * element.column;
              auto* value = reinterpret_cast<std::byte*>(&to->registers[matrix]) + 2 * half;
              std::memcpy(is_store ? memory : value, is_store ? value : memory, 2);
            }
          }
        }
      },
      place);
}

}  // namespace cuda_emulator

namespace ringworld::ptx {

template <int count>
void load_matrices(std::uint32_t (&to)[count], SharedAddress row, CudaEmulatorLine line = CudaEmulatorLine::current()) {
  static_assert(count == 2 || count == 4);
  cuda_emulator::move_matrices<count, false, false>(row, to, {"load_matrices", line});
}

template <int count>
void load_matrices_transposed(std::uint32_t (&to)[count], SharedAddress row,
                              CudaEmulatorLine line = CudaEmulatorLine::current()) {
  static_assert(count == 2 || count == 4);
  cuda_emulator::move_matrices<count, true, false>(row, to, {"load_matrices_transposed", line});
}

inline void store_matrices(SharedAddress row, const std::uint32_t (&from)[4],
                           CudaEmulatorLine line = CudaEmulatorLine::current()) {
  std::uint32_t registers[4] = {from[0], from[1], from[2], from[3]};
  cuda_emulator::move_matrices<4, false, true>(row, registers, {"store_matrices", line});
}

inline void store_matrices_transposed(SharedAddress row, const std::uint32_t (&from)[4],
                                      CudaEmulatorLine line = CudaEmulatorLine::current()) {
  std::uint32_t registers[4] = {from[0], from[1], from[2], from[3]};
  cuda_emulator::move_matrices<4, true, true>(row, registers, {"store_matrices_transposed", line});
}

}  // namespace ringworld::ptx
