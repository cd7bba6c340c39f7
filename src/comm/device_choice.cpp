#include "comm/device_choice.hpp"

#include <algorithm>
#include <array>

namespace ringworld {

void take_device(const Communicator& world, DeviceKind memory) {
  if (memory == DeviceKind::host) {
    return;
  }
  const int rank_on_node = world.split_by_node().rank();
  on_every_rank(world, [&] {
    choose_device(memory, rank_on_node);
    static_cast<void>(device(memory));
  });
}

int ranks_on_device(const Communicator& communicator, DeviceKind memory) {
  std::array<char, 64> mine{};
  on_every_rank(communicator, [&] {
    const std::string identity = device(memory).identity();
    std::copy_n(identity.begin(), std::min(identity.size(), mine.size()), mine.begin());
  });
  if (communicator.all_agree(mine.front() == '\0')) {
    return communicator.split_by_node().size();
  }
  return static_cast<int>(std::ranges::count(communicator.all_gather(mine), mine));
}

Transport transport_of(const Communicator& communicator, DeviceKind memory) {
  return is_gpu(memory) ? communicator.transport() : Transport::staged;
}

std::string_view transport_name(DeviceKind memory, Transport of_gpus) {
  if (is_within_reach_of_mpi(memory)) {
    return "mpi";
  }
  return name_of(is_gpu(memory) ? of_gpus : Transport::staged);
}

std::string_view transport_name(const Communicator& communicator, DeviceKind memory) {
  return is_within_reach_of_mpi(memory) ? "mpi" : transport_name(memory, transport_of(communicator, memory));
}

}  // namespace ringworld
