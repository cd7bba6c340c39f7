#include "train/learning_rate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.hpp"
#include "core/spelling.hpp"

namespace ringworld {

DecayShape parse_decay_shape(std::string_view name) {
  const auto* const found = std::ranges::find(decay_shape_names, name);
  if (found == decay_shape_names.end()) {
    throw_unknown_name("decay", name, decay_shape_names);
  }
  return static_cast<DecayShape>(found - decay_shape_names.begin());
}

void validate(const LearningRateSchedule& schedule) {
  require_input(std::isfinite(schedule.peak) && schedule.peak >= 0,
                fmt::format("learning_rate is {}; give 0 or more", schedule.peak));
  require_input(schedule.minimum >= 0 && schedule.minimum <= schedule.peak,
                fmt::format("min_learning_rate is {}; give 0 to learning_rate = {}", schedule.minimum, schedule.peak));
  require_input(schedule.warmup_steps >= 0, fmt::format("warmup is {}; give 0 or more steps", schedule.warmup_steps));
  require_input(schedule.hold >= 0 && schedule.hold <= 1, fmt::format("hold is {}; give 0 to 1", schedule.hold));
}

double learning_rate(const LearningRateSchedule& schedule, std::int64_t step) {
  if (step < schedule.warmup_steps) {
    return schedule.peak * static_cast<double>(step + 1) / static_cast<double>(schedule.warmup_steps + 1);
  }
  if (schedule.shape == DecayShape::constant) {
    return schedule.peak;
  }
  const auto remaining = static_cast<double>(std::max<std::int64_t>(1, schedule.steps - schedule.warmup_steps));
  const double held = schedule.hold * remaining;
  const double past = static_cast<double>(step - schedule.warmup_steps) - held;
  if (past <= 0) {
    return schedule.peak;
  }
  const double share = std::min(1.0, past / (remaining - held));
  const double falling =
      schedule.shape == DecayShape::linear ? 1.0 - share : 0.5 * (1.0 + std::cos(std::numbers::pi * share));
  return schedule.minimum + (schedule.peak - schedule.minimum) * falling;
}

}  // namespace ringworld
