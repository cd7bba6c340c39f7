#pragma once
/// @file  What the threads of a warp or block do together: barriers, shuffles, votes.
/// Source: CUDA C++ Programming Guide, "Synchronization Functions", "Warp Shuffle Functions", "Warp Vote Functions".

#include <cstdint>
#include <source_location>
#include <type_traits>

#include "support/cuda_emulator/block.hpp"

using CudaEmulatorLine = std::source_location;

inline void __syncthreads(CudaEmulatorLine line = CudaEmulatorLine::current()) {
  cuda_emulator::come_to_barrier(0, 0, true, {"__syncthreads", line});
}

namespace cuda_emulator {

/// A vote of a warp: the lanes for which the predicate holds, and those that were asked.
struct Ballot {
  bool predicate = false;
  std::uint32_t yes = 0;
  std::uint32_t asked = 0;
};

inline Ballot vote(std::uint32_t mask, bool predicate, const Place& place) {
  Ballot mine{.predicate = predicate};
  meet_warp(
      mask, &mine,
      [](const Shares& shares) {
        Ballot result;
        for (std::uint32_t each = 0; each < 32; ++each) {
          if (const auto* share = static_cast<const Ballot*>(shares[each]); share != nullptr) {
            result.asked |= 1U << each;
            result.yes |= share->predicate ? 1U << each : 0U;
          }
        }
        for (std::uint32_t each = 0; each < 32; ++each) {
          if (auto* share = static_cast<Ballot*>(shares[each]); share != nullptr) {
            share->yes = result.yes;
            share->asked = result.asked;
          }
        }
      },
      place);
  return mine;
}

/// One lane's part of a shuffle.
template <class T>
struct Exchange {
  T value;
  int source = 0;  ///< lane to read from; one's own where the shuffle stays in place
  T result{};
};

template <class T>
T shuffle(std::uint32_t mask, T value, int source, const Place& place) {
  static_assert(std::is_trivially_copyable_v<T> && (sizeof(T) == 4 || sizeof(T) == 8));
  Exchange<T> mine{value, source, value};
  meet_warp(
      mask, &mine,
      [](const Shares& shares) {
        for (std::size_t each = 0; each < 32; ++each) {
          if (auto* to = static_cast<Exchange<T>*>(shares[each]); to != nullptr) {
            const auto* from = static_cast<const Exchange<T>*>(shares[static_cast<std::size_t>(to->source)]);
            if (from == nullptr) {
              throw Failure("a shuffle reads from a lane that does not take part");
            }
            to->result = from->value;
          }
        }
      },
      place);
  return mine.result;
}

}  // namespace cuda_emulator

inline void __syncwarp(std::uint32_t mask = 0xffffffffU, CudaEmulatorLine line = CudaEmulatorLine::current()) {
  static_cast<void>(cuda_emulator::vote(mask, true, {"__syncwarp", line}));
}
inline std::uint32_t __ballot_sync(std::uint32_t mask, int predicate,
                                   CudaEmulatorLine line = CudaEmulatorLine::current()) {
  return cuda_emulator::vote(mask, predicate != 0, {"__ballot_sync", line}).yes;
}
inline int __any_sync(std::uint32_t mask, int predicate, CudaEmulatorLine line = CudaEmulatorLine::current()) {
  return cuda_emulator::vote(mask, predicate != 0, {"__any_sync", line}).yes != 0 ? 1 : 0;
}
inline int __all_sync(std::uint32_t mask, int predicate, CudaEmulatorLine line = CudaEmulatorLine::current()) {
  const cuda_emulator::Ballot ballot = cuda_emulator::vote(mask, predicate != 0, {"__all_sync", line});
  return ballot.yes == ballot.asked ? 1 : 0;
}

/// In segments of `width` lanes, a power of 2; lanes whose source lies outside their segment keep their own value.
template <class T>
T __shfl_sync(std::uint32_t mask, T value, int source, int width = 32,
              CudaEmulatorLine line = CudaEmulatorLine::current()) {
  const int lane = static_cast<int>(cuda_emulator::lane());
  return cuda_emulator::shuffle(mask, value, lane / width * width + source % width, {"__shfl_sync", line});
}
template <class T>
T __shfl_xor_sync(std::uint32_t mask, T value, int flipped, int width = 32,
                  CudaEmulatorLine line = CudaEmulatorLine::current()) {
  const int lane = static_cast<int>(cuda_emulator::lane());
  const int source = lane ^ flipped;
  const bool is_inside = source / width <= lane / width;
  return cuda_emulator::shuffle(mask, value, is_inside ? source : lane, {"__shfl_xor_sync", line});
}
template <class T>
T __shfl_up_sync(std::uint32_t mask, T value, unsigned distance, int width = 32,
                 CudaEmulatorLine line = CudaEmulatorLine::current()) {
  const int lane = static_cast<int>(cuda_emulator::lane());
  const bool is_inside = lane % width >= static_cast<int>(distance);
  return cuda_emulator::shuffle(mask, value, is_inside ? lane - static_cast<int>(distance) : lane,
                                {"__shfl_up_sync", line});
}
template <class T>
T __shfl_down_sync(std::uint32_t mask, T value, unsigned distance, int width = 32,
                   CudaEmulatorLine line = CudaEmulatorLine::current()) {
  const int lane = static_cast<int>(cuda_emulator::lane());
  const bool is_inside = lane % width + static_cast<int>(distance) < width;
  return cuda_emulator::shuffle(mask, value, is_inside ? lane + static_cast<int>(distance) : lane,
                                {"__shfl_down_sync", line});
}
