#pragma once
/// @file  Ownership of MPI handles, and the check of MPI's return codes. Included by src/comm/mpi only.

#include <mpi.h>

#include <array>
#include <memory>
#include <optional>
#include <source_location>
#include <vector>

#include "comm/collectives_impl.hpp"
#include "comm/communicator.hpp"
#include "core/unique_handle.hpp"
#include "device/device.hpp"

namespace ringworld {

/// Throws Error(internal) with MPI's own text unless `code` is success.
void check_mpi(int code, std::source_location where = std::source_location::current());

[[nodiscard]] MPI_Op mpi_operation(Reduction reduction);

struct MpiCommunicatorTraits {
  using Handle = MPI_Comm;
  static Handle null() noexcept { return MPI_COMM_NULL; }
  static void close(Handle handle) noexcept;
};

using MpiCommunicatorHandle = UniqueHandle<MpiCommunicatorTraits>;

struct Communicator::Impl {
  MpiCommunicatorHandle handle;
  int rank = 0;
  int size = 1;
  Transport wanted_transport;
  std::optional<Transport> transport;                                                     // decided at its first use
  std::array<std::unique_ptr<Collectives>, device_kind_names.size()> device_collectives;  // made at their first use
  std::vector<int> ranks_in_job;                                                          // found at their first use

  explicit Impl(MPI_Comm owned, Transport wanted = Transport::automatic);
};

/// The way of this folder into a Communicator.
struct MpiAccess {
  /// Borrowed: valid as long as a copy of `communicator` lives.
  [[nodiscard]] static MPI_Comm handle(const Communicator& communicator) { return communicator.impl_->handle.get(); }
  [[nodiscard]] static std::optional<Transport>& transport(const Communicator& communicator) {
    return communicator.impl_->transport;
  }
  [[nodiscard]] static std::unique_ptr<Collectives>& device_collectives(const Communicator& communicator,
                                                                        DeviceKind memory) {
    return communicator.impl_->device_collectives[static_cast<std::size_t>(memory)];
  }
  /// Never frees `communicator`, as freeing is collective: for a rank that an error unwinds alone.
  static void leak(const Communicator& communicator) { (void)communicator.impl_->handle.release(); }
};

}  // namespace ringworld
