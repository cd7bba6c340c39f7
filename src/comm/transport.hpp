#pragma once
/// @file  How device memory travels between ranks. (Host memory always travels by MPI.)
///
///   nccl             device ------------ NVLink, PCIe, network ----------> device   enqueued on streams of their own
///   cuda_aware_mpi   device ------------ whatever MPI has ---------------> device   by MPI, from the host
///   staged           device ==> host ------------- MPI -------> host ==> device     in chunks, driven from the host;
///                                                                                   ranks may share a GPU

#include <array>
#include <cstdint>
#include <string_view>

namespace ringworld {

enum class Transport : std::uint8_t {
  automatic,         ///< nccl where it can be, else device_aware_mpi where it can be, else staged
  nccl,              ///< needs RINGWORLD_ENABLE_NCCL, and a GPU for every rank of the communicator alone
  device_aware_mpi,  ///< needs an MPI library that takes pointers to device memory
  staged,            ///< works with every MPI library
};

/// What `automatic` chooses from.
inline constexpr std::array<Transport, 3> decided_transports{Transport::nccl, Transport::device_aware_mpi,
                                                             Transport::staged};

inline constexpr std::array<std::string_view, 4> transport_names{"auto", "nccl", "cuda_aware_mpi", "staged"};

[[nodiscard]] constexpr std::string_view name_of(Transport transport) noexcept {
  return transport_names[static_cast<std::size_t>(transport)];
}

/// @throws Error(bad_input) naming the nearest transport.
[[nodiscard]] Transport parse_transport(std::string_view name);

/// Set to 1 in the environment, it says that the MPI library takes pointers to device memory, where the library cannot
/// be asked.
inline constexpr const char* mpi_claim_variable = "RINGWORLD_CUDA_AWARE_MPI";

/// What a transport for one communicator depends on.
struct TransportFacts {
  bool is_nccl_built = false;
  bool is_mpi_device_aware = false;
  bool has_own_gpus = false;  ///< whether every rank of the communicator has a GPU for itself
};

/// The transport to use; never `automatic`.
/// @throws Error(bad_input) when the wanted one cannot work, saying why.
[[nodiscard]] Transport decide_transport(Transport wanted, const TransportFacts& facts);

}  // namespace ringworld
