#pragma once
/// @file  Some frames of a clip, spread over all of it.

#include <cstdint>
#include <vector>

namespace ringworld {

/// Numbers of `wanted` frames of `count`, the first and the last included: numpy's linspace(0, count - 1, wanted)
/// truncated, as LWM chooses them.
/// @pre count >= 1, wanted >= 1
[[nodiscard]] std::vector<std::int64_t> spread_frames(std::int64_t count, std::int64_t wanted);

}  // namespace ringworld
