#include "tasks/needle/city_names.hpp"

#include <fmt/format.h>

#include "core/error.hpp"

namespace ringworld {

std::vector<std::string> needle_keys(std::int64_t count) {
  require_input(count >= 1 && count <= std::ssize(city_names),
                fmt::format("{} needle keys: there are names for 1 to {}", count, city_names.size()));
  return {city_names.begin(), city_names.begin() + count};
}

}  // namespace ringworld
