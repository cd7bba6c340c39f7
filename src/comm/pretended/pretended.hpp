#pragma once
/// @file  Hops and collectives of ranks that are not there: counted, not carried. Included by src/comm only.

#include <memory>

#include "comm/collectives_impl.hpp"
#include "comm/shift_impl.hpp"

namespace ringworld {

[[nodiscard]] std::unique_ptr<Shift::Impl> make_pretended_shift(const ShiftOptions& options);
[[nodiscard]] Collectives& pretended_collectives();

}  // namespace ringworld
