#pragma once
/// @file  The flag `--csv` of verbs that end with a table.

#include "experiments/common/options.hpp"

namespace ringworld {

inline void declare_csv(Options& options, bool& is_csv) {
  options.add_below(help_group::output, "csv", is_csv, "", "print the table of results as CSV, with all digits");
}

}  // namespace ringworld
