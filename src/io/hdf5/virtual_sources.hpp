#pragma once
/// @file  Whether all parts of a virtual dataset are there.

#include <optional>
#include <string>

#include "io/hdf5/handles.hpp"

namespace ringworld::hdf5 {

/// A virtual dataset has its elements in datasets of other files. Of one that it cannot find, HDF5 reads the fill value,
/// mostly zero, without a word.
/// @return the first source that is missing, for people; nothing when all are there, or the dataset is not virtual
[[nodiscard]] std::optional<std::string> missing_source(const Dataset& dataset);

}  // namespace ringworld::hdf5
