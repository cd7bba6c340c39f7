#pragma once
/// @file  Every layout, for tests that try them all.

#include <array>

#include "sequence/partition.hpp"

namespace ringworld::test {

inline constexpr std::array layouts{Layout::contiguous, Layout::striped, Layout::zigzag};

}  // namespace ringworld::test
