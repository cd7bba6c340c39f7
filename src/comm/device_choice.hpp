#pragma once
/// @file  Which device a rank works on, and how its memory travels.

#include <string_view>

#include "comm/communicator.hpp"
#include "comm/transport.hpp"
#include "device/device.hpp"

namespace ringworld {

/// Makes `memory` this rank's to use: where a node has several devices of that kind, gives it one by its number on the
/// node, modulo the number of devices, so that ranks share devices when there are more ranks. Collective over all ranks
/// of the job; to be called before any other use of the device.
/// @throws Error(bad_input), on every rank, when the build has no such device or some node has none.
void take_device(const Communicator& world, DeviceKind memory);

/// How many ranks of `communicator` share this rank's device, or its node where the ranks of a node share one device;
/// at least 1. Collective.
/// @throws Error(bad_input), on every rank, when some rank has no such device.
[[nodiscard]] int ranks_on_device(const Communicator& communicator, DeviceKind memory);

/// How memory of a device travels between these ranks; never `automatic`. GPUs of NVIDIA have a choice, other devices
/// are staged. Collective.
/// @pre `memory` is not the host's, which travels by MPI alone
[[nodiscard]] Transport transport_of(const Communicator& communicator, DeviceKind memory);

/// For records: the transport's name, "mpi" for host memory.
/// @param of_gpus  what was decided for GPUs; does not matter to other memory
[[nodiscard]] std::string_view transport_name(DeviceKind memory, Transport of_gpus);
/// The same, decided here. Collective.
[[nodiscard]] std::string_view transport_name(const Communicator& communicator, DeviceKind memory);

}  // namespace ringworld
