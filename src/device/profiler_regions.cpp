#include "device/profiler_regions.hpp"

#include "core/simulated_ranks.hpp"

namespace ringworld {

void show_regions_to_profilers() {
  if (are_ranks_simulated()) {
    return;  // they take turns in one process, and no profiler could tell them apart
  }
  show_regions_to_nvtx();
  show_regions_to_caliper();
}

}  // namespace ringworld
