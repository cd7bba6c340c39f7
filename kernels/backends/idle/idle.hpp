#pragma once
/// @file  Kernels that compute nothing, and hold the memory that those of a backend hold. Together with CountingDevices
/// they let a program that needs a GPU, or a thousand, run on a laptop for its memory and its order of calls.

#include "device/backend.hpp"
#include "kernels/backends/makers.hpp"

namespace ringworld {

/// In the place of those of `backend`: results stay as they are, and memory is not touched. `attention` is null for a
/// backend on host memory: its real object holds the memory that it needs and touches none before the first block.
[[nodiscard]] KernelMakers idle_kernels(Backend backend);

}  // namespace ringworld
