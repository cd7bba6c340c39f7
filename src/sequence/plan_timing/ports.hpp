#pragma once
/// @file  Ports that messages leave by: behind those of earlier steps, among themselves in equal shares.

#include <map>
#include <span>
#include <tuple>
#include <vector>

#include "sequence/plan_time.hpp"
#include "sequence/plan_timing/rank_work.hpp"

namespace ringworld::plan_timing {

/// A message on its way to a port.
struct Job {
  std::tuple<bool, int, int> port;  ///< between nodes; node or rank; neighbour
  double ready = 0;
  Flow* flow = nullptr;
};

/// Remembers when each port is free again.
class Ports {
 public:
  /// @param rings  rings like this one that use the ports of the same nodes at the same time
  Ports(const PlanRates& rates, int rings) : rates_(rates), rings_(rings) {}

  /// Sets the end of each message of one step.
  void carry(std::vector<Job> jobs);

 private:
  /// Messages of one port, in the order in which they are ready.
  void leave(std::span<Job> jobs);

  const PlanRates& rates_;
  int rings_;
  std::map<std::tuple<bool, int, int>, double> free_at_;
};

}  // namespace ringworld::plan_timing
