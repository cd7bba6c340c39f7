#pragma once
/// @file  The transports of device memory that a test runs over.

#include <array>
#include <string>

#include "comm/communicator.hpp"
#include "support/available_device.hpp"

namespace ringworld::test {

inline constexpr auto& device_transports = decided_transports;

/// A memory, and how it travels.
struct Way {
  DeviceKind memory;
  Transport transport;
};

/// Every way of every memory that is not the host's.
inline constexpr std::array device_ways{Way{DeviceKind::kokkos, Transport::staged}, Way{gpu_kind, Transport::nccl},
                                        Way{gpu_kind, Transport::device_aware_mpi}, Way{gpu_kind, Transport::staged}};

[[nodiscard]] inline std::string name_of(const Way& way) {
  return std::string(name_of(way.memory)) + "_" + std::string(name_of(way.transport));
}

/// The name of a test's parameter.
inline constexpr auto way_name = [](const auto& info) { return name_of(info.param); };

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

/// The same of any memory. Memory that has one way only takes no transport from a communicator.
[[nodiscard]] inline std::string why_unavailable(const Communicator& world, const Way& way) {
  if (is_gpu(way.memory)) {
    return why_unavailable(world, way.transport);
  }
  return world.all_agree(why_unavailable(way.memory).empty())
             ? std::string()
             : "a rank has no device '" + std::string(name_of(way.memory)) + "'";
}

[[nodiscard]] inline Communicator travelling(const Communicator& world, const Way& way) {
  return is_gpu(way.memory) ? world.with_transport(way.transport) : world;
}

}  // namespace ringworld::test
