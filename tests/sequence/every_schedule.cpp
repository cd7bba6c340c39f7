#include "sequence/every_schedule.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "support/layouts.hpp"

namespace ringworld::test {
namespace {

constexpr int most_neighbours = 4;

/// The setting whose mask, rotation and type are the three bits of `choices`.
Setting setting_of(Layout layout, unsigned choices) {
  return {.layout = layout,
          .is_causal = (choices & 4U) == 0,
          .rotation = (choices & 2U) == 0 ? BackwardRotation::kv : BackwardRotation::q,
          .dtype = (choices & 1U) == 0 ? DType::float32 : DType::bfloat16};
}

}  // namespace

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
  Schedule of_some_heads;
  of_some_heads.ulysses = 2;
  schedules.push_back(of_some_heads);
  Schedule of_groups_of_heads(ScheduleKind::bidirectional);
  of_groups_of_heads.ulysses = 2;
  of_groups_of_heads.head_groups = 2;
  schedules.push_back(of_groups_of_heads);
  Schedule of_all_heads(ScheduleKind::all_gather);
  of_all_heads.ulysses = most_neighbours;
  schedules.push_back(of_all_heads);
  return schedules;
}

Schedule fitted(Schedule schedule, const SequenceAttentionOptions& options, int ranks) {
  const AttentionProblem& problem = options.problem;
  const auto can_be_exchanged = [&](std::int64_t ulysses) {
    return ranks % ulysses == 0 && problem.heads % ulysses == 0 &&
           (problem.kv_heads % ulysses == 0 || ulysses % problem.kv_heads == 0);
  };
  while (!can_be_exchanged(schedule.ulysses)) {
    --schedule.ulysses;
  }
  const std::int64_t rings = ranks / schedule.ulysses;
  if (schedule.kind == ScheduleKind::double_ring) {
    schedule.window = 1;
    for (int window = 1; window < rings; ++window) {
      schedule.window = rings % window == 0 ? window : schedule.window;
    }
  }
  while (std::max<std::int64_t>(1, problem.kv_heads / schedule.ulysses) % schedule.head_groups != 0) {
    --schedule.head_groups;
  }
  if (schedule.ulysses == 1 && schedule.kind != ScheduleKind::all_gather) {
    schedule.head_groups = 1;
  }
  schedule.is_trimmed = schedule.is_trimmed && options.layout == Layout::zigzag && options.is_causal &&
                        options.backward_rotation != BackwardRotation::q;
  return schedule;
}

bool is_tested_elsewhere(const Schedule& schedule, const Schedule& fitted_schedule) {
  return schedule.is_trimmed != fitted_schedule.is_trimmed || (schedule.ulysses > 1 && fitted_schedule.ulysses == 1);
}

std::vector<Setting> every_setting() {
  std::vector<Setting> settings;
  for (const Layout layout : layouts) {
    for (unsigned choices = 0; choices < 8; ++choices) {
      settings.push_back(setting_of(layout, choices));
    }
  }
  return settings;
}

std::vector<Setting> covering_settings(const Schedule& schedule, int turn) {
  if (schedule.is_trimmed) {
    return {setting_of(Layout::zigzag, 0), setting_of(Layout::zigzag, 1)};
  }
  std::vector<Setting> settings;
  for (std::size_t layout = 0; layout < layouts.size(); ++layout) {
    // Three of the four pairs of opposite corners of a cube hold, in any two coordinates, all four combinations.
    const auto corner = static_cast<unsigned>((static_cast<std::size_t>(turn) + layout) % 4);
    settings.push_back(setting_of(layouts[layout], corner));
    settings.push_back(setting_of(layouts[layout], 7U - corner));
  }
  return settings;
}

}  // namespace ringworld::test
