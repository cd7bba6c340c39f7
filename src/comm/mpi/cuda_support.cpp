#include "comm/mpi/cuda_support.hpp"

#include <cstdlib>
#include <string_view>

#include "comm/transport_facts.hpp"

namespace ringworld {

bool is_mpi_cuda_aware() {
  const char* claim = std::getenv("RINGWORLD_CUDA_AWARE_MPI");
  return mpi_says_cuda_aware() || (claim != nullptr && std::string_view(claim) == "1");
}

}  // namespace ringworld
