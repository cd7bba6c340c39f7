#include "sequence/schedule.hpp"

#include <fmt/format.h>

namespace ringworld {

std::string describe(const Schedule& schedule) {
  std::string text(name_of(schedule.kind));
  if (schedule.is_trimmed) {
    text += ", trimmed";
  }
  if (schedule.window > 0) {
    text += fmt::format(", window {}", schedule.window);
  }
  if (schedule.head_groups > 1) {
    text += fmt::format(", {} head groups", schedule.head_groups);
  }
  if (schedule.ulysses > 1) {
    text += fmt::format(", ulysses {}", schedule.ulysses);
  }
  return text;
}

}  // namespace ringworld
