#include "experiments/sweep/schedule_lists.hpp"

#include <fmt/format.h>

#include "experiments/common/names.hpp"
#include "experiments/common/run_flags.hpp"

namespace ringworld {
namespace {

template <class T>
std::vector<T> or_usual(const std::vector<T>& given, T usual) {
  return given.empty() ? std::vector<T>{usual} : given;
}

}  // namespace

void declare(Options& options, ScheduleLists& lists) {
  const auto add = [&](RunFlag flag, auto& list) {
    const FlagText text = text_of(flag);
    options.add(text.name, list, text.unit, text.help);
  };
  add(RunFlag::schedule, lists.kind);
  add(RunFlag::ulysses, lists.ulysses);
  add(RunFlag::window, lists.window);
  add(RunFlag::head_groups, lists.head_groups);
  add(RunFlag::trim, lists.trim);
}

std::vector<Schedule> product_of(const ScheduleLists& lists) {
  if (lists.kind.empty() && lists.ulysses.empty() && lists.window.empty() && lists.head_groups.empty() &&
      lists.trim.empty()) {
    return {};
  }
  const Schedule usual;
  std::vector<Schedule> product;
  for (const ScheduleKind kind : or_usual(lists.kind, usual.kind)) {
    for (const int ulysses : or_usual(lists.ulysses, usual.ulysses)) {
      for (const int window : or_usual(lists.window, usual.window)) {
        for (const int head_groups : or_usual(lists.head_groups, usual.head_groups)) {
          for (const bool is_trimmed : or_usual(lists.trim, usual.is_trimmed)) {
            Schedule& schedule = product.emplace_back(kind);
            schedule.ulysses = ulysses;
            schedule.window = window;
            schedule.head_groups = head_groups;
            schedule.is_trimmed = is_trimmed;
          }
        }
      }
    }
  }
  return product;
}

std::vector<std::string> flags_of(const Schedule& schedule) {
  return {fmt::format("--schedule={}", name_of(schedule.kind)), fmt::format("--ulysses={}", schedule.ulysses),
          fmt::format("--window={}", schedule.window), fmt::format("--head-groups={}", schedule.head_groups),
          fmt::format("--trim={}", schedule.is_trimmed)};
}

std::string word_for(const Schedule& schedule) {
  std::string word;
  for (const char letter : describe(schedule)) {
    if (letter != ',') {
      word += letter == ' ' ? '-' : letter;
    }
  }
  return word;
}

UsedValues::Names names_of_values(const Schedule& schedule) {
  return {fmt::format("schedule {}", name_of(schedule.kind)), fmt::format("ulysses {}", schedule.ulysses),
          fmt::format("window {}", schedule.window), fmt::format("head_groups {}", schedule.head_groups),
          fmt::format("trim {}", schedule.is_trimmed)};
}

}  // namespace ringworld
