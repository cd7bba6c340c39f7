/// @file  For MPI libraries that cannot be asked whether they take device memory.

#include "comm/mpi/cuda_support.hpp"

namespace ringworld {

bool mpi_says_cuda_aware() { return false; }

}  // namespace ringworld
