#pragma once
/// @file  The flag `--csv` of verbs that end with a table.

#include "experiments/common/options.hpp"

namespace ringworld {

inline void declare_csv(Options& options, bool& is_csv) {
  const std::string group = options.begin_group(help_group::output);
  options.add("csv", is_csv, "", "print the table of results as CSV, with all digits");
  options.begin_group(group);
}

}  // namespace ringworld
