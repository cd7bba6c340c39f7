#include "comm/mpi/device_support.hpp"

#include <cstdlib>
#include <string_view>

#include "comm/transport_facts.hpp"

namespace ringworld {

bool is_mpi_device_aware() {
  const char* claim = std::getenv(mpi_claim_variable);
  return mpi_says_device_aware() || (claim != nullptr && std::string_view(claim) == "1");
}

}  // namespace ringworld
