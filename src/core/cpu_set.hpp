#pragma once
/// @file  The logical CPUs that this process may run on.

#include <vector>

namespace ringworld {

/// As the kernel numbers them, ascending; empty when it does not say.
[[nodiscard]] std::vector<int> allowed_cpus();

}  // namespace ringworld
