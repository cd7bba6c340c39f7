#pragma once
/// @file  Which rows are of the same point: those whose key columns agree.

#include <cstddef>
#include <span>
#include <string>

#include "io/row_layout.hpp"

namespace ringworld {

/// The key columns of a row as bytes, for sets and maps of points: the same bytes for the same values. Every NaN is the
/// same value, and so are both zeros.
[[nodiscard]] std::string key_of(const RowLayout& layout, std::span<const std::byte> row);

template <RecordRow Row>
[[nodiscard]] std::string key_of(const Row& row) {
  return key_of(layout_of<Row>(), std::as_bytes(std::span(&row, 1)));
}

/// True when the rows agree in every column of role key: they are of the same point. Everything that asks whether a
/// point is there already (a resumed run, the merge of records) asks here, or compares `key_of`.
template <RecordRow Row>
[[nodiscard]] bool same_keys(const Row& a, const Row& b) {
  return key_of(a) == key_of(b);
}

}  // namespace ringworld
