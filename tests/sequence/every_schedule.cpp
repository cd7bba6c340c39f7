#include "sequence/every_schedule.hpp"

namespace ringworld::test {

std::vector<Schedule> every_schedule() {
  std::vector<Schedule> schedules;
  for (std::size_t index = 0; index < schedule_names.size(); ++index) {
    schedules.emplace_back(static_cast<ScheduleKind>(index));
  }
  Schedule trimmed;
  trimmed.is_trimmed = true;
  schedules.push_back(trimmed);
  Schedule grouped(ScheduleKind::all_gather);
  grouped.head_groups = 2;
  schedules.push_back(grouped);
  return schedules;
}

Schedule fitted(Schedule schedule, const SequenceAttentionOptions& options, int ranks) {
  const std::int64_t rings = ranks / schedule.ulysses;
  if (schedule.kind == ScheduleKind::double_ring) {
    schedule.window = 1;
    for (int window = 1; window < rings; ++window) {
      schedule.window = rings % window == 0 ? window : schedule.window;
    }
  }
  while (options.problem.kv_heads % schedule.head_groups != 0) {
    --schedule.head_groups;
  }
  schedule.is_trimmed = schedule.is_trimmed && options.layout == Layout::zigzag && options.is_causal &&
                        options.backward_rotation != BackwardRotation::q;
  return schedule;
}

}  // namespace ringworld::test
