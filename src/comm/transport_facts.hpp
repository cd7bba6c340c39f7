#pragma once
/// @file  What the choice of a transport depends on, found out on this node. Included by src/comm, and by who shows it.

#include "comm/communicator.hpp"
#include "comm/transport.hpp"

namespace ringworld {

[[nodiscard]] bool is_nccl_built() noexcept;

/// Whether MPI takes pointers to device memory: by its own word, where the library can be asked, or by
/// that of `mpi_claim_variable` in the environment.
[[nodiscard]] bool is_mpi_device_aware();

/// The same on every rank. Collective over `communicator`, whose ranks have taken their devices.
/// @throws as ranks_on_device
[[nodiscard]] TransportFacts transport_facts(const Communicator& communicator);

}  // namespace ringworld
