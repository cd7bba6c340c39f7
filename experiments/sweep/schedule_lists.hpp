#pragma once
/// @file  The schedules that a sweep goes through: the product of lists of a schedule and its parameters.

#include <cstdint>
#include <string>
#include <vector>

#include "experiments/common/options.hpp"
#include "experiments/common/used_values.hpp"
#include "sequence/schedule.hpp"

namespace ringworld {

/// The lists as given. When all of them are empty, each run takes the schedule of its own file; else an empty list
/// stands for the usual value.
struct ScheduleLists {
  std::vector<ScheduleKind> kind;
  std::vector<int> ulysses;
  std::vector<int> window;
  std::vector<int> head_groups;
  std::vector<bool> trim;
};

/// Declares --schedule, --ulysses, --window, --head-groups and --trim.
void declare(Options& options, ScheduleLists& lists);

/// The product; nothing when no list was given.
[[nodiscard]] std::vector<Schedule> product_of(const ScheduleLists& lists);

/// The flags that give a run this schedule, whatever its file says.
[[nodiscard]] std::vector<std::string> flags_of(const Schedule& schedule);

/// "double_ring-window-4-ulysses-2": a part of a file's name.
[[nodiscard]] std::string word_for(const Schedule& schedule);

/// Each parameter of a schedule with its name.
[[nodiscard]] UsedValues::Names names_of_values(const Schedule& schedule);

}  // namespace ringworld
