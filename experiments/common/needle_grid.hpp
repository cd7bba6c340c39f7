#pragma once
/// @file  The axes of needle evaluations as flags give them: depths, and numbers of needles.

#include <cstdint>
#include <string>
#include <vector>

namespace ringworld {

/// Depths of "0,0.5,1", or of "5": so many from 0 to 1, evenly spaced.
/// @throws Error(bad_input) for what is neither, or outside 0..1.
[[nodiscard]] std::vector<double> read_depths(const std::vector<std::string>& words);

/// "16/8": planted, asked.
struct NeedleCount {
  std::int64_t planted = 1;
  std::int64_t asked = 1;
  bool operator==(const NeedleCount&) const = default;
};
/// @throws Error(bad_input) unless it is N/R with 1 <= R <= N.
[[nodiscard]] NeedleCount read_needle_count(const std::string& word);

}  // namespace ringworld
