#pragma once
/// @file  Which GPU a rank works on.

#include "comm/communicator.hpp"
#include "device/device.hpp"

namespace ringworld {

/// Makes `memory` this rank's to use: for cuda, gives it a GPU of its node by its number there, modulo the number of GPUs,
/// so that ranks share GPUs when there are more of them. Collective over all ranks of the job; to be called before any
/// other use of the device.
/// @throws Error(bad_input), on every rank, when the build has no such device or some node has none.
void take_device(const Communicator& world, DeviceKind memory);

/// How many ranks of `communicator` share this rank's GPU, or for host memory its node; at least 1. Collective.
/// @throws Error(bad_input), on every rank, when some rank has no such device.
[[nodiscard]] int ranks_on_device(const Communicator& communicator, DeviceKind memory);

}  // namespace ringworld
