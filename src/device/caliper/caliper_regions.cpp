/// @file  Regions of a trace as regions of Caliper.
/// Source: Boehme et al., "Caliper: Performance Introspection for HPC Software Stacks", SC16; cali.h, cali_begin_region.

#include <caliper/cali.h>
#include <unistd.h>

#include <memory>
#include <string_view>

#include "core/trace.hpp"
#include "device/profiler_regions.hpp"

namespace ringworld {
namespace {

class CaliperRegions final : public RegionObserver {
 public:
  void begin(const LazyName& name) override { cali_begin_region(name.kind().c_str()); }
  void end(const LazyName& name) override { cali_end_region(name.kind().c_str()); }
};

/// Whether any of the variables is set that configure Caliper.
bool is_caliper_wanted() {
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (std::string_view(*variable).starts_with("CALI_")) {
      return true;
    }
  }
  return false;
}

}  // namespace

void show_regions_to_caliper() {
  if (is_caliper_wanted()) {
    observe_regions(std::make_unique<CaliperRegions>());
  }
}

}  // namespace ringworld
