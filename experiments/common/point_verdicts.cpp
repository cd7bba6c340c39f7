#include "experiments/common/point_verdicts.hpp"

#include <fmt/format.h>

#include "core/log.hpp"

namespace ringworld {

void PointVerdicts::count(Outcome outcome) {
  ++points_;
  valid_ += outcome == Outcome::ok ? 1 : 0;
  unmeasured_ += is_measured(outcome) ? 0 : 1;
  failed_ += is_measured(outcome) && outcome != Outcome::ok ? 1 : 0;
}

void PointVerdicts::print_advice() const {
  if (unmeasured_ > 0) {
    log_info(
        fmt::format("{} of {} points could not be measured; --resume tries them again under other limits, --resume "
                    "--retry-failed under the same",
                    unmeasured_, points_));
  }
}

int PointVerdicts::exit_code(const Communicator& world) const {
  std::int64_t is_well = failed_ == 0 && (valid_ > 0 || points_ == 0) ? 1 : 0;
  is_well = world.is_root() ? is_well : 1;
  return world.all_reduce(is_well, Reduction::min) == 1 ? 0 : 1;
}

}  // namespace ringworld
