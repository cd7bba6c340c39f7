#pragma once
/// @file  Twin of src/device/cuda/ptx/bulk_copy.cuh.
/// Source: PTX ISA, "Tensors", "Swizzling Modes", "Bulk copy".
///
/// What threads wrote without fence_async_proxy() is seen nevertheless: the emulator cannot tell who wrote what.

#include <cuda.h>

#include <bit>
#include <cstdint>
#include <cstring>

#include "core/bf16.hpp"
#include "device/cuda/ptx/mbarrier.cuh"
#include "device/cuda/ptx/shared_memory.cuh"
#include "support/cuda_emulator/tensor_map.hpp"

namespace cuda_emulator {

/// Where byte `address` of a swizzled tile lies: the 16-byte chunk within a line of `width` bytes is exchanged with
/// another, which the bits of the address from 128 up choose; width 0 leaves it.
inline std::uint32_t swizzle(std::uint32_t address, unsigned width) {
  const std::uint32_t chunks = width / 16;  // 8, 4, 2 for the three patterns
  return chunks == 0 ? address : address ^ ((address >> 7U & (chunks - 1)) << 4U);
}

/// Calls `function(offset in the box, byte in global memory or null where the tensor has no such element)` for every
/// element, innermost first.
template <class Function>
void for_each_in_box(const TensorMap& map, const std::array<int, 5>& corner, Function&& function) {
  std::size_t count = 1;
  for (unsigned dimension = 0; dimension < map.rank; ++dimension) {
    count *= map.box[dimension];
  }
  for (std::size_t index = 0; index < count; ++index) {
    std::int64_t offset = 0;
    bool is_inside = true;
    std::size_t rest = index;
    for (unsigned dimension = 0; dimension < map.rank; ++dimension) {
      const std::int64_t at = corner[dimension] + static_cast<std::int64_t>(rest % map.box[dimension]);
      rest /= map.box[dimension];
      is_inside = is_inside && at >= 0 && at < static_cast<std::int64_t>(map.sizes[dimension]);
      offset += at * (dimension == 0 ? map.element_bytes : static_cast<std::int64_t>(map.stride_bytes[dimension - 1]));
    }
    function(index * map.element_bytes, is_inside ? map.data + offset : nullptr);
  }
}

inline std::size_t bytes_of_box(const TensorMap& map) {
  std::size_t bytes = map.element_bytes;
  for (unsigned dimension = 0; dimension < map.rank; ++dimension) {
    bytes *= map.box[dimension];
  }
  return bytes;
}

/// A rank that is not the map's, or a tile outside shared memory, fails at once.
inline TensorMap check_tile(const CUtensorMap& map, std::size_t rank, std::uint32_t address, const Place& place) {
  const TensorMap decoded = decode(map);
  if (decoded.rank != rank) {
    throw Failure("a tensor map is used with another number of coordinates than it has: " + describe(place));
  }
  static_cast<void>(shared_bytes_at(address, bytes_of_box(decoded), 128, place));
  return decoded;
}

inline void load_box(const TensorMap& map, const std::array<int, 5>& corner, std::uint32_t to, const Place& place) {
  for_each_in_box(map, corner, [&](std::size_t offset, const std::byte* from) {
    std::byte* target = shared_bytes_at(swizzle(to + static_cast<std::uint32_t>(offset), map.swizzle_bytes),
                                        map.element_bytes, map.element_bytes, place);
    if (from != nullptr) {
      std::memcpy(target, from, map.element_bytes);
    } else {
      std::memset(target, 0, map.element_bytes);
    }
  });
}

template <bool is_added>
void write_box(const TensorMap& map, const std::array<int, 5>& corner, std::uint32_t from, const Place& place) {
  for_each_in_box(map, corner, [&](std::size_t offset, std::byte* to) {
    if (to == nullptr) {
      return;
    }
    const std::byte* source = shared_bytes_at(swizzle(from + static_cast<std::uint32_t>(offset), map.swizzle_bytes),
                                              map.element_bytes, map.element_bytes, place);
    if constexpr (!is_added) {
      std::memcpy(to, source, map.element_bytes);
    } else if (map.is_float) {
      *reinterpret_cast<float*>(to) += *reinterpret_cast<const float*>(source);
    } else if (map.is_bf16) {
      auto& sum = *reinterpret_cast<ringworld::bf16*>(to);
      const auto value = *reinterpret_cast<const ringworld::bf16*>(source);
      sum = ringworld::bf16(static_cast<float>(sum) + static_cast<float>(value));
    } else {
      *reinterpret_cast<std::int32_t*>(to) += *reinterpret_cast<const std::int32_t*>(source);
    }
  });
}

/// A corner and the line that names it: what stands where the real functions take coordinates alone.
template <class... Coordinates>
std::array<int, 5> corner_of(Coordinates... coordinates) {
  static_assert(sizeof...(Coordinates) >= 2 && sizeof...(Coordinates) <= 5);
  return {static_cast<int>(coordinates)...};
}

}  // namespace cuda_emulator

namespace ringworld::ptx {

enum class CacheHint : std::uint64_t { normal, evict_first, evict_last };

inline void fence_async_proxy() {}
inline void prefetch_tensor_map(const CUtensorMap* map) { static_cast<void>(cuda_emulator::decode(*map)); }

template <class... Coordinates>
void load_tile(CacheHint /*hint*/, SharedAddress to, const CUtensorMap* map, SharedAddress barrier,
               Coordinates... coordinates) {
  const cuda_emulator::Place place{"load_tile"};
  const cuda_emulator::TensorMap decoded = cuda_emulator::check_tile(*map, sizeof...(coordinates), to, place);
  const std::array<int, 5> corner = cuda_emulator::corner_of(coordinates...);
  static_cast<void>(cuda_emulator::mbarrier_at(barrier, place));
  cuda_emulator::defer([=] {
    cuda_emulator::load_box(decoded, corner, to, place);
    cuda_emulator::mbarrier_complete(barrier, cuda_emulator::bytes_of_box(decoded), place);
  });
}

template <class... Coordinates>
void store_tile(const CUtensorMap* map, SharedAddress from, Coordinates... coordinates) {
  const cuda_emulator::Place place{"store_tile"};
  const cuda_emulator::TensorMap decoded = cuda_emulator::check_tile(*map, sizeof...(coordinates), from, place);
  const std::array<int, 5> corner = cuda_emulator::corner_of(coordinates...);
  cuda_emulator::thread_bulk_copies().add([=] { cuda_emulator::write_box<false>(decoded, corner, from, place); });
}

template <class... Coordinates>
void add_tile(const CUtensorMap* map, SharedAddress from, Coordinates... coordinates) {
  const cuda_emulator::Place place{"add_tile"};
  const cuda_emulator::TensorMap decoded = cuda_emulator::check_tile(*map, sizeof...(coordinates), from, place);
  const std::array<int, 5> corner = cuda_emulator::corner_of(coordinates...);
  cuda_emulator::thread_bulk_copies().add([=] { cuda_emulator::write_box<true>(decoded, corner, from, place); });
}

inline void check_row(const void* global, std::uint32_t bytes, const cuda_emulator::Place& place) {
  if (reinterpret_cast<std::uintptr_t>(global) % 16 != 0 || bytes % 16 != 0) {
    throw cuda_emulator::Failure("a row whose place or size is not a multiple of 16 bytes: " + describe(place));
  }
}

inline void load_row(SharedAddress to, const void* from, std::uint32_t bytes, SharedAddress barrier,
                     CudaEmulatorLine line = CudaEmulatorLine::current()) {
  const cuda_emulator::Place place{"load_row", line};
  check_row(from, bytes, place);
  std::byte* target = cuda_emulator::shared_bytes_at(to, bytes, 16, place);
  static_cast<void>(cuda_emulator::mbarrier_at(barrier, place));
  cuda_emulator::defer([=] {
    std::memcpy(target, from, bytes);
    cuda_emulator::mbarrier_complete(barrier, bytes, place);
  });
}

inline void store_row(void* to, SharedAddress from, std::uint32_t bytes,
                      CudaEmulatorLine line = CudaEmulatorLine::current()) {
  const cuda_emulator::Place place{"store_row", line};
  check_row(to, bytes, place);
  const std::byte* source = cuda_emulator::shared_bytes_at(from, bytes, 16, place);
  cuda_emulator::thread_bulk_copies().add([=] { std::memcpy(to, source, bytes); });
}

inline void add_row(float* to, SharedAddress from, std::uint32_t bytes,
                    CudaEmulatorLine line = CudaEmulatorLine::current()) {
  const cuda_emulator::Place place{"add_row", line};
  check_row(to, bytes, place);
  const auto* source = reinterpret_cast<const float*>(cuda_emulator::shared_bytes_at(from, bytes, 16, place));
  cuda_emulator::thread_bulk_copies().add([=] {
    for (std::size_t index = 0; index < bytes / sizeof(float); ++index) {
      to[index] += source[index];
    }
  });
}

inline void commit_bulk() { cuda_emulator::thread_bulk_copies().commit(); }

template <int pending>
void wait_bulk() {
  cuda_emulator::thread_bulk_copies().wait(pending);
}

/// The emulator reads shared memory and writes global memory at one moment.
template <int pending>
void wait_bulk_read() {
  cuda_emulator::thread_bulk_copies().wait(pending);
}

}  // namespace ringworld::ptx
