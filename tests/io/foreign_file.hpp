#pragma once
/// @file  An HDF5 file as another program would write it.

#include <filesystem>

namespace ringworld::test {

/// Writes 1-D datasets of three elements, named by their types: float64 and float16 (0.1, -2, 3), bfloat16 (1, -2, 3)
/// without a number type, int32 and int64 (7, -8, 9), uint64 (7, 2^63, 9), bool (1, 0, 1), complex; and the attributes
/// fixed_text "half_split", padded_text "half_split" in spaces, one_number (101), real_list (0.5, 2), truth_list (1, 0),
/// nothing, pair (a compound).
void write_foreign_file(const std::filesystem::path& path);

}  // namespace ringworld::test
