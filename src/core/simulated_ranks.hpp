#pragma once
/// @file  Ranks that are simulated: threads of control of one process, which take turns.
///
/// Static objects are then shared by all ranks. What belongs to a rank is kept by `simulated_rank`.

#include <cstddef>
#include <cstdint>
#include <string>

namespace ringworld {

/// Whether this build simulates its ranks.
[[nodiscard]] bool are_ranks_simulated() noexcept;

/// Tells the ranks of the process apart, from 0 on; 0 where ranks are processes.
[[nodiscard]] std::size_t simulated_rank() noexcept;

/// The network between simulated ranks.
struct SimulatedPlatform {
  std::string name;
  std::string digest;
  int devices_per_node = 1;
  /// Devices of a node whose ports rings of collectives share out: those of a node, 1 where nodes are no islands of the
  /// network.
  int ring_devices = 1;
  double peak_flops_per_second = 0;  ///< of a device; 0: unknown
};
/// As scripts/simulate.sh says in the environment; nameless where ranks are processes.
[[nodiscard]] const SimulatedPlatform& simulated_platform();

/// The way of a message that has it for itself.
struct SimulatedRoute {
  double latency = 0;  ///< s
  double bytes_per_second = 0;
};
/// From this rank to another of the job.
/// @pre ranks are simulated
[[nodiscard]] SimulatedRoute simulated_route(int rank_in_job);

/// A place for messages whose contents mean nothing: the same for all ranks and calls where ranks are simulated, so that
/// a thousand of them fit into one process.
/// @return null when there is not enough memory
[[nodiscard]] void* take_phantom_memory(std::int64_t bytes);
void give_phantom_memory_back(void* data, std::int64_t bytes) noexcept;

}  // namespace ringworld
