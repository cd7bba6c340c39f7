#pragma once
/// @file  Attributes of HDF5 objects. Private to src/io.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/attribute.hpp"
#include "io/hdf5/handles.hpp"

namespace ringworld::hdf5 {

/// Sets an attribute, in place of one of the same name.
void write_attribute(hid_t object, const std::string& name, const AttributeValue& value);

/// Gives an integer attribute that is there another value, in its place: the file does not grow.
void overwrite_integer(hid_t object, const std::string& name, std::int64_t value);

/// Takes an attribute away, if it is there.
void remove_attribute(hid_t object, const std::string& name);

/// The attribute, or nothing when the object has none of this name, or it is empty (h5py.Empty). Numbers may be of any
/// size, text of fixed or variable length.
/// @throws ringworld::Error (bad_input) when it holds something that `AttributeValue` cannot.
[[nodiscard]] std::optional<AttributeValue> read_attribute(hid_t object, const std::string& name);

/// In alphabetical order.
[[nodiscard]] std::vector<std::string> attribute_names(hid_t object);

}  // namespace ringworld::hdf5
