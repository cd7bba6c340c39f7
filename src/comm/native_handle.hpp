#pragma once
/// @file  A communicator as other libraries take it: parallel HDF5 wants MPI's own.

#include "comm/communicator.hpp"

namespace ringworld {

/// MPI's number of the communicator, which MPI_Comm_f2c turns into an MPI_Comm. Borrowed: valid as long as a copy of
/// `communicator` lives.
[[nodiscard]] int native_handle(const Communicator& communicator);

}  // namespace ringworld
