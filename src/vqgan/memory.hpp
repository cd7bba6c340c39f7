#pragma once
/// @file  Where the activations of a VQGAN and their gradients lie, and how much memory a network takes: worked out from
/// the architecture alone, so that a dry run and a real run read the same numbers.
///
/// Times: operation i runs forward at time i, the loss at time n (the number of operations), backward of operation i at
/// time 2n - i. What a convolution or norm read is kept until its backward pass; everything else goes as soon as it has
/// been read.

#include <cstdint>
#include <vector>

#include "device/memory_ledger.hpp"
#include "vqgan/architecture.hpp"

namespace ringworld {

/// What a network is for.
enum class VqganUse : std::uint8_t {
  coding,    ///< frames to codes and codes to frames, one after the other
  training,  ///< forward and backward
};

/// Offsets in numbers of one frame; those of N frames are N times as large. -1: it has no place.
struct VqganPlaces {
  std::vector<std::int64_t> values;  ///< of each value
  std::vector<std::int64_t>
      gradients;                    ///< of each value's gradient; two values that share one place share the gradient
  std::vector<std::int64_t> means;  ///< of each norm, by operation: mean and rstd of the groups, one after the other
  std::int64_t numbers = 0;         ///< of the arena, a frame
};
[[nodiscard]] VqganPlaces plan_places(const VqganArchitecture& architecture, VqganUse use);

/// Bytes that a network holds for `frames` frames at a time, without the scratch memory of kernels. Parameters,
/// gradients and moments are whole on every rank.
[[nodiscard]] MemoryByUse plan_vqgan_memory(const VqganArchitecture& architecture, VqganUse use, std::int64_t frames);

}  // namespace ringworld
