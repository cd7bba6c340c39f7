/// @file  Regions as NVTX ranges.
/// Source: NVIDIA, "NVTX 3", nvtxRangePushA; the variable is how its tools bring themselves into a process.

#include <nvtx3/nvToolsExt.h>

#include <cstdlib>
#include <memory>

#include "core/trace.hpp"
#include "device/profiler_regions.hpp"

namespace ringworld {
namespace {

class NvtxRanges final : public RegionObserver {
 public:
  void begin(const LazyName& name) override { nvtxRangePushA(name.to_string().c_str()); }
  void end(const LazyName& /*name*/) override { nvtxRangePop(); }
};

}  // namespace

void show_regions_to_nvtx() {
  if (std::getenv("NVTX_INJECTION64_PATH") != nullptr) {
    observe_regions(std::make_unique<NvtxRanges>());
  }
}

}  // namespace ringworld
