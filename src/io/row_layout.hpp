#pragma once
/// @file  A row type as data: its columns with their places in memory, so that HDF5 tables, console tables and the
/// schema page are written once, outside of templates.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "core/enumerators.hpp"
#include "io/row.hpp"

namespace ringworld {

enum class ColumnKind : std::uint8_t { uint8, int32, int64, float32, float64, boolean, text };

template <>
struct Enumerators<ColumnKind> {
  static constexpr std::string_view what = "column type";
  static constexpr std::array<std::string_view, 7> names{"uint8",   "int32", "int64", "float32",
                                                         "float64", "bool",  "text"};
};

/// One column and where its value lies in a row.
struct Column {
  std::string_view name;
  std::string_view unit;
  std::string_view meaning;
  Role role = Role::measure;
  ColumnKind kind = ColumnKind::int64;
  std::int64_t offset = 0;  ///< bytes from the start of the row
  std::int64_t size = 0;    ///< bytes
};

/// A row type.
struct RowLayout {
  std::string_view path;
  std::string_view meaning;
  std::vector<Column> columns;
  std::int64_t row_size = 0;        ///< bytes from one row to the next
  std::vector<std::byte> defaults;  ///< a value-initialised row: what a column holds that a file does not have
};

template <class Member>
struct ColumnKindOf;
template <>
struct ColumnKindOf<std::uint8_t> : std::integral_constant<ColumnKind, ColumnKind::uint8> {};
template <>
struct ColumnKindOf<std::int32_t> : std::integral_constant<ColumnKind, ColumnKind::int32> {};
template <>
struct ColumnKindOf<std::int64_t> : std::integral_constant<ColumnKind, ColumnKind::int64> {};
template <>
struct ColumnKindOf<float> : std::integral_constant<ColumnKind, ColumnKind::float32> {};
template <>
struct ColumnKindOf<double> : std::integral_constant<ColumnKind, ColumnKind::float64> {};
template <>
struct ColumnKindOf<bool> : std::integral_constant<ColumnKind, ColumnKind::boolean> {};
template <std::size_t N>
struct ColumnKindOf<FixedString<N>> : std::integral_constant<ColumnKind, ColumnKind::text> {};

/// The layout of `Row`.
template <RecordRow Row>
[[nodiscard]] RowLayout layout_of() {
  static_assert(std::is_trivially_copyable_v<Row>, "rows are copied as bytes");
  static_assert(sizeof(bool) == 1);
  const Row row{};
  const auto* const begin = reinterpret_cast<const std::byte*>(&row);
  RowLayout layout{.path = Row::path,
                   .meaning = Row::meaning,
                   .columns = {},
                   .row_size = static_cast<std::int64_t>(sizeof(Row)),
                   .defaults = std::vector<std::byte>(sizeof(Row))};
  std::memcpy(layout.defaults.data(), begin, sizeof(Row));
  const auto add = [&]<class Member>(const Field<Row, Member>& field) {
    const auto* const place = reinterpret_cast<const std::byte*>(&(row.*field.member));
    layout.columns.push_back({.name = field.name,
                              .unit = field.unit,
                              .meaning = field.meaning,
                              .role = field.role,
                              .kind = ColumnKindOf<Member>::value,
                              .offset = place - begin,
                              .size = static_cast<std::int64_t>(sizeof(Member))});
  };
  std::apply([&](const auto&... field) { (add(field), ...); }, Row::fields());
  return layout;
}

}  // namespace ringworld
