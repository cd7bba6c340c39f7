#pragma once
/// @file  Bulk copies between global and shared memory by the tensor memory accelerator; one thread asks for a whole tile.
/// sm_90 and up.
/// Source: PTX ISA, "cp.async.bulk", "cp.async.bulk.tensor", "cp.reduce.async.bulk", "cp.reduce.async.bulk.tensor".
///
/// Loads complete on an mbarrier, which was told how many bytes to expect (arrive_expecting). Elements of a box that lie
/// outside the tensor arrive as zeros, and count as bytes. Stores and reductions complete in groups of the thread that
/// asked for them, and leave out what lies outside.
///
/// What threads wrote to shared memory themselves is seen by stores, reductions and wgmma after fence_async_proxy() of the
/// writers and then a barrier.
///
/// Shared addresses are multiples of 128 for tiles (1024 with 128-byte swizzle, if the pattern is to start anew), of 16
/// for rows; rows are whole multiples of 16 bytes.

#include <cuda.h>

#include <cstdint>

#include "device/cuda/ptx/shared_memory.cuh"

namespace ringworld::ptx {

/// What the second-level cache is told about a tile.
enum class CacheHint : std::uint64_t {
  // The encodings that createpolicy makes for a fraction of 1.
  normal = 0x1000000000000000,
  evict_first = 0x12f0000000000000,  ///< read once
  evict_last = 0x14f0000000000000,   ///< read again by other blocks
};

/// Makes the writes of this thread to shared memory visible to bulk copies and wgmma.
__device__ __forceinline__ void fence_async_proxy() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

__device__ __forceinline__ void prefetch_tensor_map(const CUtensorMap* map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(reinterpret_cast<std::uint64_t>(map)) : "memory");
}

/// Starts the copy of the box of `map` whose first element has these coordinates, innermost dimension first.
/// @param map  a __grid_constant__ parameter of the kernel (const CUtensorMap)
template <class... Coordinates>
__device__ __forceinline__ void load_tile(CacheHint hint, SharedAddress to, const CUtensorMap* map,
                                          SharedAddress barrier, Coordinates... coordinates) {
  static_assert(sizeof...(Coordinates) >= 2 && sizeof...(Coordinates) <= 5);
  const int at[] = {static_cast<int>(coordinates)...};
  const auto address = reinterpret_cast<std::uint64_t>(map);
  const auto policy = static_cast<std::uint64_t>(hint);
  if constexpr (sizeof...(Coordinates) == 2) {
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1, {%3, "
        "%4}], "
        "[%2], %5;" ::"r"(to),
        "l"(address), "r"(barrier), "r"(at[0]), "r"(at[1]), "l"(policy)
        : "memory");
  } else if constexpr (sizeof...(Coordinates) == 3) {
    asm volatile(
        "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1, {%3, "
        "%4, "
        "%5}], [%2], %6;" ::"r"(to),
        "l"(address), "r"(barrier), "r"(at[0]), "r"(at[1]), "r"(at[2]), "l"(policy)
        : "memory");
  } else if constexpr (sizeof...(Coordinates) == 4) {
    asm volatile(
        "cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1, {%3, "
        "%4, "
        "%5, %6}], [%2], %7;" ::"r"(to),
        "l"(address), "r"(barrier), "r"(at[0]), "r"(at[1]), "r"(at[2]), "r"(at[3]), "l"(policy)
        : "memory");
  } else {
    asm volatile(
        "cp.async.bulk.tensor.5d.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1, {%3, "
        "%4, "
        "%5, %6, %7}], [%2], %8;" ::"r"(to),
        "l"(address), "r"(barrier), "r"(at[0]), "r"(at[1]), "r"(at[2]), "r"(at[3]), "r"(at[4]), "l"(policy)
        : "memory");
  }
}

/// Starts the copy of a box to global memory.
template <class... Coordinates>
__device__ __forceinline__ void store_tile(const CUtensorMap* map, SharedAddress from, Coordinates... coordinates) {
  static_assert(sizeof...(Coordinates) >= 2 && sizeof...(Coordinates) <= 5);
  const int at[] = {static_cast<int>(coordinates)...};
  const auto address = reinterpret_cast<std::uint64_t>(map);
  if constexpr (sizeof...(Coordinates) == 2) {
    asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1];" ::"l"(address),
                 "r"(from), "r"(at[0]), "r"(at[1])
                 : "memory");
  } else if constexpr (sizeof...(Coordinates) == 3) {
    asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [%0, {%2, %3, %4}], [%1];" ::"l"(address),
                 "r"(from), "r"(at[0]), "r"(at[1]), "r"(at[2])
                 : "memory");
  } else if constexpr (sizeof...(Coordinates) == 4) {
    asm volatile("cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [%0, {%2, %3, %4, %5}], [%1];" ::"l"(address),
                 "r"(from), "r"(at[0]), "r"(at[1]), "r"(at[2]), "r"(at[3])
                 : "memory");
  } else {
    asm volatile(
        "cp.async.bulk.tensor.5d.global.shared::cta.bulk_group [%0, {%2, %3, %4, %5, %6}], [%1];" ::"l"(address),
        "r"(from), "r"(at[0]), "r"(at[1]), "r"(at[2]), "r"(at[3]), "r"(at[4])
        : "memory");
  }
}

/// Starts the addition of a box to what global memory holds, element by element, in the type of the map.
template <class... Coordinates>
__device__ __forceinline__ void add_tile(const CUtensorMap* map, SharedAddress from, Coordinates... coordinates) {
  static_assert(sizeof...(Coordinates) >= 2 && sizeof...(Coordinates) <= 5);
  const int at[] = {static_cast<int>(coordinates)...};
  const auto address = reinterpret_cast<std::uint64_t>(map);
  if constexpr (sizeof...(Coordinates) == 2) {
    asm volatile(
        "cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.bulk_group [%0, {%2, %3}], [%1];" ::"l"(address),
        "r"(from), "r"(at[0]), "r"(at[1])
        : "memory");
  } else if constexpr (sizeof...(Coordinates) == 3) {
    asm volatile(
        "cp.reduce.async.bulk.tensor.3d.global.shared::cta.add.bulk_group [%0, {%2, %3, %4}], [%1];" ::"l"(address),
        "r"(from), "r"(at[0]), "r"(at[1]), "r"(at[2])
        : "memory");
  } else if constexpr (sizeof...(Coordinates) == 4) {
    asm volatile(
        "cp.reduce.async.bulk.tensor.4d.global.shared::cta.add.bulk_group [%0, {%2, %3, %4, %5}], [%1];" ::"l"(address),
        "r"(from), "r"(at[0]), "r"(at[1]), "r"(at[2]), "r"(at[3])
        : "memory");
  } else {
    asm volatile(
        "cp.reduce.async.bulk.tensor.5d.global.shared::cta.add.bulk_group [%0, {%2, %3, %4, %5, %6}], [%1];" ::"l"(
            address),
        "r"(from), "r"(at[0]), "r"(at[1]), "r"(at[2]), "r"(at[3]), "r"(at[4])
        : "memory");
  }
}

/// Starts the copy of `bytes` that lie side by side; no tensor map.
__device__ __forceinline__ void load_row(SharedAddress to, const void* from, std::uint32_t bytes,
                                         SharedAddress barrier) {
  const std::size_t global = __cvta_generic_to_global(from);
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to),
               "l"(global), "r"(bytes), "r"(barrier)
               : "memory");
}

__device__ __forceinline__ void store_row(void* to, SharedAddress from, std::uint32_t bytes) {
  const std::size_t global = __cvta_generic_to_global(to);
  asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(global), "r"(from), "r"(bytes)
               : "memory");
}

/// Starts the addition of bytes / 4 floats to what global memory holds.
__device__ __forceinline__ void add_row(float* to, SharedAddress from, std::uint32_t bytes) {
  const std::size_t global = __cvta_generic_to_global(to);
  asm volatile("cp.reduce.async.bulk.global.shared::cta.bulk_group.add.f32 [%0], [%1], %2;" ::"l"(global), "r"(from),
               "r"(bytes)
               : "memory");
}

/// Makes a group of this thread's stores and reductions since the last commit.
__device__ __forceinline__ void commit_bulk() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }

/// Blocks until at most `pending` groups of this thread have not yet arrived in global memory.
template <int pending>
__device__ __forceinline__ void wait_bulk() {
  asm volatile("cp.async.bulk.wait_group %0;" ::"n"(pending) : "memory");
}

/// Blocks until at most `pending` groups of this thread have still to read shared memory: it may be written again.
template <int pending>
__device__ __forceinline__ void wait_bulk_read() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(pending) : "memory");
}

}  // namespace ringworld::ptx
