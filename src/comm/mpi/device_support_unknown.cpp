/// @file  For MPI libraries that cannot be asked whether they take device memory.

#include "comm/mpi/device_support.hpp"

namespace ringworld {

bool mpi_says_device_aware() { return false; }

}  // namespace ringworld
