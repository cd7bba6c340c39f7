#include "core/spelling.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

#include "core/error.hpp"

namespace ringworld {
namespace {

std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= from.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const std::size_t replaced = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

std::string_view nearest_name(std::string_view name, std::span<const std::string_view> known) {
  std::string_view nearest;
  std::size_t smallest = std::string_view::npos;
  for (const std::string_view candidate : known) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < smallest) {
      smallest = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string join_names(std::span<const std::string_view> names) {
  return fmt::format("{}", fmt::join(names.begin(), names.end(), ", "));
}

void throw_unknown_name(std::string_view what, std::string_view name, std::span<const std::string_view> known,
                        std::string_view where_all_are) {
  constexpr std::size_t most_read = 10;
  const std::string others = where_all_are.empty() || known.size() <= most_read
                                 ? fmt::format("one of {}", join_names(known))
                                 : std::string(where_all_are);
  throw Error(ErrorKind::bad_input, fmt::format("{} '{}' is unknown; did you mean '{}'? ({})", what, name,
                                                nearest_name(name, known), others));
}

}  // namespace ringworld
