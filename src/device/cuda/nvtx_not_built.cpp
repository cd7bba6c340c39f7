#include "device/profiler_regions.hpp"

namespace ringworld {

void show_regions_to_nvtx() {}

}  // namespace ringworld
