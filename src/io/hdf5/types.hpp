#pragma once
/// @file  HDF5 datatypes as numpy and h5py understand them. Private to src/io.

#include <cstdint>
#include <span>

#include "io/hdf5/handles.hpp"
#include "io/row_layout.hpp"

namespace ringworld::hdf5 {

/// Text of any length, in UTF-8 unless said otherwise; h5py: str.
[[nodiscard]] Datatype variable_text(H5T_cset_t characters = H5T_CSET_UTF8);

/// UTF-8 text in `bytes` bytes, zero padded; numpy: S<bytes>.
[[nodiscard]] Datatype fixed_text(std::int64_t bytes);

/// The enumeration FALSE = 0, TRUE = 1 over int8 that h5py uses for numpy.bool.
[[nodiscard]] Datatype boolean();

/// The type of a column's values in memory.
[[nodiscard]] Datatype type_of(const Column& column);

/// A compound of these columns, one right after another, whatever gaps the row in memory has.
[[nodiscard]] Datatype packed_compound(std::span<const Column> columns);

/// Bytes of `packed_compound(columns)`.
[[nodiscard]] std::int64_t packed_size(std::span<const Column> columns);

}  // namespace ringworld::hdf5
