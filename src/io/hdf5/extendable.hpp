#pragma once
/// @file  A dataset of one dimension that grows at its end, whatever its elements are. Private to src/io.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/hdf5/handles.hpp"

namespace ringworld::hdf5 {

/// Makes an empty dataset at `path`, and the groups above it.
/// @param elements_per_chunk  that are stored side by side     @param fill  one element of type `fill_type`, or null
[[nodiscard]] Dataset create_extendable(hid_t file, std::string_view path, hid_t type, std::int64_t elements_per_chunk,
                                        hid_t fill_type = H5I_INVALID_HID, const void* fill = nullptr);

[[nodiscard]] std::int64_t element_count(const Dataset& dataset);

/// Grows the dataset by `count` elements, which are of `type` in memory; returns the index of the first.
std::int64_t append_elements(const Dataset& dataset, std::int64_t count, hid_t type, const void* elements);

/// Reads `count` elements from `first` on into memory, where they are of `type`.
void read_elements(const Dataset& dataset, std::int64_t first, std::int64_t count, hid_t type, void* elements);

/// The same elements as the file stores them, one right after another.
[[nodiscard]] std::vector<std::byte> stored_elements(const Dataset& dataset, std::int64_t first, std::int64_t count);

/// Appends what `stored_elements` returned for a dataset that had `first` elements before.
/// @throws ringworld::Error (bad_input) when there is no such dataset, or when it has another number or size of
/// elements.
void append_stored(hid_t file, const std::string& path, std::int64_t first, std::int64_t count,
                   std::span<const std::byte> bytes);

}  // namespace ringworld::hdf5
