#include "comm/transport.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/spelling.hpp"

namespace ringworld {

Transport parse_transport(std::string_view name) {
  for (std::size_t index = 0; index < transport_names.size(); ++index) {
    if (name == transport_names[index]) {
      return static_cast<Transport>(index);
    }
  }
  throw_unknown_name("transport", name, transport_names);
}

Transport decide_transport(Transport wanted, const TransportFacts& facts) {
  switch (wanted) {
    case Transport::automatic:
      if (facts.is_nccl_built && facts.has_own_gpus) {
        return Transport::nccl;
      }
      return facts.is_mpi_device_aware ? Transport::device_aware_mpi : Transport::staged;
    case Transport::nccl:
      require_input(facts.is_nccl_built,
                    "transport nccl: this build has no NCCL; configure with -DRINGWORLD_ENABLE_NCCL=ON");
      require_input(facts.has_own_gpus,
                    "transport nccl: NCCL wants a GPU for every rank alone, but ranks share one here; use staged");
      break;
    case Transport::device_aware_mpi:
      require_input(
          facts.is_mpi_device_aware,
          fmt::format("transport {}: the MPI library does not say that it takes device memory; use staged, or set {}=1 "
                      "if you know that it does",
                      name_of(wanted), mpi_claim_variable));
      break;
    case Transport::staged:
      break;
  }
  return wanted;
}

}  // namespace ringworld
