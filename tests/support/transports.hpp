#pragma once
/// @file  The transports of device memory that a test runs over.

#include <array>
#include <string>

#include "comm/communicator.hpp"
#include "support/available_device.hpp"

namespace ringworld::test {

inline constexpr std::array device_transports{Transport::nccl, Transport::cuda_aware_mpi, Transport::staged};

/// Why device memory cannot travel so between the ranks of `world`; empty when it can. The same on every rank.
[[nodiscard]] inline std::string why_unavailable(const Communicator& world, Transport transport) {
  if (!world.all_agree(why_unavailable(DeviceKind::cuda).empty())) {
    return why_unavailable(DeviceKind::cuda) + " (here, or at another rank)";
  }
  try {
    static_cast<void>(world.with_transport(transport).transport());
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace ringworld::test
