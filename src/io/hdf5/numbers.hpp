#pragma once
/// @file  Numbers of any type that programs write, read as one type. Private to src/io.

#include <cstdint>
#include <span>
#include <string_view>

#include "io/element_type.hpp"
#include "io/hdf5/handles.hpp"

namespace ringworld::hdf5 {

/// What the program reads as floating-point numbers, for messages.
inline constexpr std::string_view floating_types = "float16, bfloat16, float32 or float64";

/// Whether the type is an enumeration of FALSE and TRUE alone.
[[nodiscard]] bool is_boolean(hid_t type);

/// The type of a dataset's elements. Two bytes are bfloat16 when they are opaque (so h5py writes the type of ml_dtypes),
/// or 16-bit integers of a dataset with the attribute `dtype` = "bfloat16".
[[nodiscard]] ElementType element_type_of(const Dataset& dataset);

[[nodiscard]] constexpr bool is_floating(ElementKind kind) {
  return kind == ElementKind::floating || kind == ElementKind::bfloat16;
}

/// Which elements of a dataset go where in memory; identifiers that live elsewhere.
struct Transfer {
  hid_t memory = H5S_ALL;
  hid_t file = H5S_ALL;
  hid_t properties = H5P_DEFAULT;
};

/// Reads floating-point numbers; those beyond float32 become infinite. Collective where `transfer` is.
/// @pre is_floating(type.kind)     @param values  may be empty, on ranks that select nothing
[[nodiscard]] herr_t read_floats(const Dataset& dataset, const ElementType& type, const Transfer& transfer,
                                 std::span<float> values);

/// Reads integers or booleans; those beyond int64 become its largest.
[[nodiscard]] herr_t read_integers(const Dataset& dataset, const Transfer& transfer, std::span<std::int64_t> values);

}  // namespace ringworld::hdf5
