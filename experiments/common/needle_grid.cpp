#include "experiments/common/needle_grid.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "experiments/common/option_values.hpp"

namespace ringworld {
namespace {

bool is_count(const std::string& word) {
  return !word.empty() && std::ranges::all_of(word, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::vector<double> read_depths(const std::vector<std::string>& words) {
  std::vector<double> depths;
  if (words.size() == 1 && is_count(words.front()) && words.front() != "0" && words.front() != "1") {
    std::int64_t count = 0;
    read_value("--depth", words.front(), count);
    require_input(count <= 1000, fmt::format("--depth: {} depths are too many; at most 1000", count));
    for (std::int64_t index = 0; index < count; ++index) {
      depths.push_back(static_cast<double>(index) / static_cast<double>(count - 1));
    }
    return depths;
  }
  for (const std::string& word : words) {
    double depth = 0;
    read_value("--depth", word, depth);
    require_input(depth >= 0 && depth <= 1,
                  fmt::format("--depth: {} is outside 0 (start of the haystack) to 1 (next to the question)", word));
    depths.push_back(depth);
  }
  return depths;
}

NeedleCount read_needle_count(const std::string& word) {
  const std::size_t slash = word.find('/');
  const std::string planted = word.substr(0, slash);
  const std::string asked = slash == std::string::npos ? "" : word.substr(slash + 1);
  require_input(is_count(planted) && is_count(asked),
                fmt::format("--needles: '{}' is not N/R, needles planted / asked for, as in 16/8", word));
  NeedleCount count;
  read_value("--needles", planted, count.planted);
  read_value("--needles", asked, count.asked);
  require_input(count.asked >= 1 && count.asked <= count.planted,
                fmt::format("--needles {}: at least 1 is asked for, and no more than are planted", word));
  return count;
}

}  // namespace ringworld
