#pragma once
/// @file  One block of a kernel: its threads are fibers of one CPU thread, its shared memory is a piece of host memory.
///
///   run_block --> picks one of the threads that can run, at random --> it runs until it waits or ends --> picks the next
///
/// What makes a thread wait is an instruction that needs others: a barrier, a shuffle, an mbarrier. When no thread can run
/// and some have not ended, that is a deadlock, and an error that says where each of them stands. The order is a function
/// of a seed (RINGWORLD_EMULATED_CUDA_SEED), so an error can be had again; another seed finds other errors.

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "support/cuda_emulator/async_queue.hpp"
#include "support/cuda_emulator/failure.hpp"

namespace cuda_emulator {

struct Extent {
  unsigned x = 1;
  unsigned y = 1;
  unsigned z = 1;
  [[nodiscard]] std::size_t count() const { return static_cast<std::size_t>(x) * y * z; }
};

struct GridShape {
  Extent grid;
  Extent block;
  std::size_t shared_bytes = 0;  ///< dynamic
};

/// Runs every block of the grid, in an order of the seed's choosing, one after the other: a block that waits for another
/// never ends.
/// @throws Failure
void run_grid(const GridShape& shape, const std::function<void()>& kernel);

// What follows is called from inside kernels, on the thread's own fiber.

inline constexpr unsigned warp_threads = 32;

/// A thread's share in an instruction that a warp carries out together: whatever the instruction wants to know of it.
using Share = void*;
using Shares = std::array<Share, warp_threads>;

/// Waits until all threads of `mask` in this warp that have not ended have come to the same operation, then `complete`
/// runs once, with the shares by lane; those of absent lanes are null. All threads go on after it.
/// Nothing may be thrown but Failure.
void meet_warp(std::uint32_t mask, Share share, void (*complete)(const Shares&), const Place& place);

/// Comes to barrier 0 to 15 of the block, which opens when `threads` have; 0 threads: all that have not ended.
void come_to_barrier(int barrier, int threads, bool waits, const Place& place);

/// Waits until somebody calls wake(what).
void sleep_on(const void* what, const Place& place);
void wake(const void* what);

/// Lets others run.
void give_way();

/// Leaves an operation to the hardware, which carries it out some time later, beside the threads.
void defer(std::function<void()> operation);

[[nodiscard]] bool toss_coin();

/// This thread's copies to shared memory (cp.async), its bulk copies to global memory, its warp's part in products of
/// its warpgroup (wgmma).
[[nodiscard]] AsyncQueue& thread_copies();
[[nodiscard]] AsyncQueue& thread_bulk_copies();
[[nodiscard]] AsyncQueue& warp_products();

/// Registers of a thread when a block of so many threads starts whose kernel moves registers: as many as all can have, in
/// steps of eight.
[[nodiscard]] unsigned registers_at_launch(std::size_t threads);

/// Takes registers for the running thread's warp out of what other warps of the block gave, and waits until it can have
/// them. A block never gets more than it started with. Called by all threads of a warp, as give_registers is.
void take_registers(unsigned count, const Place& place);
/// @throws Failure when the warp has fewer than `count`
void give_registers(unsigned count, const Place& place);

[[nodiscard]] unsigned lane();
/// The warp's number, 0 to 3, in its warpgroup.
/// @throws Failure when the block has no whole warpgroup here
[[nodiscard]] unsigned warp_in_warpgroup(const Place& place);

/// The first byte of the block's dynamic shared memory, a multiple of 1024.
[[nodiscard]] std::byte* dynamic_shared();

/// Addresses as PTX has them: dynamic shared memory from 1024 up, static shared memory somewhere above 2^31.
[[nodiscard]] std::uint32_t to_shared_address(const void* pointer);

/// The memory at `address`.
/// @throws Failure when [address, address + bytes) is not inside the block's dynamic shared memory (static memory is not
/// checked), or `address` is not a multiple of `alignment`.
[[nodiscard]] std::byte* shared_bytes_at(std::uint32_t address, std::size_t bytes, std::size_t alignment,
                                         const Place& place);

}  // namespace cuda_emulator
