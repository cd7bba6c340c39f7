#pragma once
/// @file  Twin of src/device/cuda/ptx/mbarrier.cuh.
/// Source: PTX ISA, "mbarrier": phases, arrival counts and transaction counts.

#include <cstdint>

#include "device/cuda/ptx/shared_memory.cuh"

namespace cuda_emulator {

/// How the emulator uses the 64 bits that PTX keeps opaque.
struct Mbarrier {
  std::uint64_t phase : 1;
  std::uint64_t expected : 20;  ///< arrivals of each phase
  std::uint64_t pending : 20;   ///< arrivals that have yet to come
  std::int64_t bytes : 21;      ///< announced and not yet copied; negative when copies are ahead of the announcement
  std::uint64_t mark : 2;       ///< initialized; not what poison looks like
  static constexpr std::uint64_t initialized = 2;
};
static_assert(sizeof(Mbarrier) == 8);

inline Mbarrier& mbarrier_at(std::uint32_t address, const Place& place) {
  auto& barrier = *reinterpret_cast<Mbarrier*>(shared_bytes_at(address, 8, 8, place));
  if (barrier.mark != Mbarrier::initialized) {
    throw Failure("an mbarrier was used that was not initialized: " + describe(place));
  }
  return barrier;
}

/// Ends the phase if all that it waits for has come.
inline void end_phase_if_complete(Mbarrier& barrier) {
  if (barrier.pending == 0 && barrier.bytes == 0) {
    barrier.phase ^= 1U;
    barrier.pending = barrier.expected;
    wake(&barrier);
  }
}

inline void mbarrier_arrive(std::uint32_t address, std::uint32_t bytes, const Place& place) {
  Mbarrier& barrier = mbarrier_at(address, place);
  if (barrier.pending == 0) {
    throw Failure("more arrivals at an mbarrier than were announced: " + describe(place));
  }
  barrier.bytes += bytes;
  barrier.pending -= 1;
  end_phase_if_complete(barrier);
}

/// What a bulk copy does when it is done.
inline void mbarrier_complete(std::uint32_t address, std::size_t bytes, const Place& place) {
  Mbarrier& barrier = mbarrier_at(address, place);
  barrier.bytes -= static_cast<std::int64_t>(bytes);
  end_phase_if_complete(barrier);
}

}  // namespace cuda_emulator

namespace ringworld::ptx {

inline void init_barrier(SharedAddress barrier, std::uint32_t arrivals,
                         CudaEmulatorLine line = CudaEmulatorLine::current()) {
  const cuda_emulator::Place place{"init_barrier", line};
  if (arrivals == 0 || arrivals >= 1U << 20U) {
    throw cuda_emulator::Failure("an mbarrier for no, or too many, arrivals: " + describe(place));
  }
  auto& word = *reinterpret_cast<cuda_emulator::Mbarrier*>(cuda_emulator::shared_bytes_at(barrier, 8, 8, place));
  word = {
      .phase = 0, .expected = arrivals, .pending = arrivals, .bytes = 0, .mark = cuda_emulator::Mbarrier::initialized};
}

inline void fence_barrier_init() {}

inline void arrive(SharedAddress barrier, CudaEmulatorLine line = CudaEmulatorLine::current()) {
  cuda_emulator::mbarrier_arrive(barrier, 0, {"arrive", line});
}

inline void arrive_expecting(SharedAddress barrier, std::uint32_t bytes,
                             CudaEmulatorLine line = CudaEmulatorLine::current()) {
  cuda_emulator::mbarrier_arrive(barrier, bytes, {"arrive_expecting", line});
}

/// A failed try lets others run, as the suspension of the hardware does.
[[nodiscard]] inline bool try_wait(SharedAddress barrier, std::uint32_t parity,
                                   CudaEmulatorLine line = CudaEmulatorLine::current()) {
  const bool is_complete = cuda_emulator::mbarrier_at(barrier, {"try_wait", line}).phase != parity % 2;
  if (!is_complete) {
    cuda_emulator::give_way();
  }
  return is_complete;
}

inline void wait(SharedAddress barrier, std::uint32_t parity, CudaEmulatorLine line = CudaEmulatorLine::current()) {
  const cuda_emulator::Place place{parity % 2 == 0 ? "wait for parity 0" : "wait for parity 1", line};
  const cuda_emulator::Mbarrier& word = cuda_emulator::mbarrier_at(barrier, place);
  while (word.phase == parity % 2) {
    cuda_emulator::sleep_on(&word, place);
  }
}

}  // namespace ringworld::ptx
