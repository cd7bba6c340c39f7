#pragma once
/// @file  Which backends this build has.

#include "device/backend.hpp"

namespace ringworld {

[[nodiscard]] bool is_built(Backend backend);

/// @throws Error(bad_input) naming the build option that is missing and the backends that are there.
void require_built(Backend backend);

}  // namespace ringworld
