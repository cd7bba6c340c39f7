#pragma once
/// @file  The types of an attribute of a file, and conversion of its value to the type that a reader needs.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace ringworld {

/// h5py reads them as bool, int, float, str, array of str, array of int and array of float.
using AttributeValue = std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>,
                                    std::vector<std::int64_t>, std::vector<double>>;

/// The value as one integer; nothing when it is none. A list of one counts as its element, here and below, and a
/// floating-point number without a fraction as an integer: programs differ in how they write one.
[[nodiscard]] std::optional<std::int64_t> as_integer(const AttributeValue& value);

/// As one number, integers included.
[[nodiscard]] std::optional<double> as_number(const AttributeValue& value);

/// As a truth value: a boolean, 0 or 1, or the text true or false.
[[nodiscard]] std::optional<bool> as_boolean(const AttributeValue& value);

[[nodiscard]] std::optional<std::string> as_text(const AttributeValue& value);

/// The value as a person would write it, cut to what fits a line.
[[nodiscard]] std::string describe(const AttributeValue& value);

}  // namespace ringworld
