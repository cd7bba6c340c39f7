#pragma once
/// @file  Shapes of datasets, for HDF5 and for people. Private to src/io.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "io/hdf5/handles.hpp"

namespace ringworld::hdf5 {

/// (2, 3, 4), as NumPy writes a shape.
[[nodiscard]] inline std::string text_of_shape(std::span<const std::int64_t> shape) {
  return fmt::format("({})", fmt::join(shape, ", "));
}

/// @param values  none is negative
[[nodiscard]] inline std::vector<hsize_t> to_hsize(std::span<const std::int64_t> values) {
  return {values.begin(), values.end()};
}

}  // namespace ringworld::hdf5
