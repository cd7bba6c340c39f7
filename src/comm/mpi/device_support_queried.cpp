/// @file  For MPI libraries that can be asked whether they take device memory.

// mpi-ext.h wants mpi.h before it.
#include <mpi.h>

#include <mpi-ext.h>

#include "comm/mpi/device_support.hpp"

namespace ringworld {

bool mpi_says_device_aware() { return MPIX_Query_cuda_support() == 1; }

}  // namespace ringworld
