#include "comm/transport_facts.hpp"

#include "comm/device_choice.hpp"

namespace ringworld {

TransportFacts transport_facts(const Communicator& communicator) {
  return {.is_nccl_built = is_nccl_built(),
          .is_mpi_device_aware = communicator.all_agree(is_mpi_device_aware()),
          .has_own_gpus = communicator.all_agree(ranks_on_device(communicator, gpu_kind) == 1)};
}

}  // namespace ringworld
