#pragma once
/// @file  Files that all ranks read or write together, by MPI-IO.

#include "comm/communicator.hpp"
#include "io/hdf5/handles.hpp"

namespace ringworld::hdf5 {

/// Of a file that the ranks open together. @throws Error(bad_input) in a build without a parallel HDF5
[[nodiscard]] PropertyList parallel_access(const Communicator& communicator);

/// Of a transfer in which all of them take part.
[[nodiscard]] PropertyList collective_transfer();

}  // namespace ringworld::hdf5
