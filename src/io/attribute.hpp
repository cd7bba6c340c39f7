#pragma once
/// @file  What an attribute of a record may hold.

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace ringworld {

/// h5py reads them as bool, int, float, str, array of str and array of int.
using AttributeValue =
    std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>, std::vector<std::int64_t>>;

}  // namespace ringworld
