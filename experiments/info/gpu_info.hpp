#pragma once
/// @file  What the ranks' GPUs are and can do.

#include <cstdint>

#include "comm/communicator.hpp"
#include "device/backend.hpp"
#include "io/rank_row.hpp"

namespace ringworld {

struct GpuMeasurement {
  Backend backend = Backend::host;  ///< whose kernels and whose GPUs
  double seconds = 0;               ///< how long to measure each peak
  std::int64_t gemm_extent = 0;     ///< rows, columns and depth of the matrix product
  std::int64_t copy_bytes = 0;      ///< of each of the two arrays of a copy
  std::int64_t hop_bytes = 0;       ///< of a hop of the ring
};

/// Measures the GPUs of all ranks at once and prints on the root: each rank's GPU, memory, copy bandwidth, matrix products,
/// and the ring by the communicator's transport. Collective over `world`, whose ranks have taken their devices.
/// @param mine  this rank, whose `device` is filled in here
/// @return false when a signal asked to end before all was measured: then nothing is printed
/// @throws Error(bad_input), on every rank, when the transport cannot be had
[[nodiscard]] bool show_gpus(const Communicator& world, RankRow mine, const GpuMeasurement& measurement);

}  // namespace ringworld
