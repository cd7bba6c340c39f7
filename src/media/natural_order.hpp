#pragma once
/// @file  The order in which people number files: frame2 before frame10.

#include <string_view>

namespace ringworld {

/// Whether `a` comes before `b` when each run of digits counts as one number. Names that differ only in leading zeros
/// are ordered as texts, so that different names are never equal.
[[nodiscard]] bool comes_before_naturally(std::string_view a, std::string_view b);

}  // namespace ringworld
