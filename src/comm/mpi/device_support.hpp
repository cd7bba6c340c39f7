#pragma once
/// @file  The MPI library's own word on device memory. Included by src/comm/mpi only.

namespace ringworld {

/// Source: Open MPI manual, MPIX_Query_cuda_support. False when the library cannot be asked.
[[nodiscard]] bool mpi_says_device_aware();

}  // namespace ringworld
