#pragma once
/// @file  How a row type declares its columns: once, with name, role, unit and meaning. The HDF5 table, the console
/// table, results/SCHEMA.md, and what tells two rows apart are all taken from that declaration.
///
///   struct SampleRow {
///     static constexpr std::string_view path = "/samples";
///     static constexpr std::string_view meaning = "one timed repeat of one rank";
///     std::int64_t rank = 0;
///     double seconds = 0;
///     static Columns columns() {
///       return {Column{"rank", &SampleRow::rank, Role::key, "", "rank in its ring"},
///               Column{"seconds", &SampleRow::seconds, Role::measure, "s", "wall time"}};
///     }
///   };
///
/// Members may be std::uint8_t, std::int32_t, std::int64_t, float, double, bool or FixedString<N>.

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/enumerators.hpp"

namespace ringworld {

/// What a column is for.
enum class Role : std::uint8_t {
  key,      ///< says which point the row is of: rows that agree in all keys measured the same
  measure,  ///< was measured
  model,    ///< follows from the keys by a formula
  verdict,  ///< says whether the row is to be believed
  origin,   ///< says where the row comes from
};

template <>
struct Enumerators<Role> {
  static constexpr std::string_view what = "role";
  static constexpr std::array<std::string_view, 5> names{"key", "measure", "model", "verdict", "origin"};
};

/// Text of at most N - 1 bytes inside a row, zero padded; longer text is cut.
template <std::size_t N>
struct FixedString {
  std::array<char, N> bytes{};

  constexpr FixedString() = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a row is filled from string literals and enumerator names.
  constexpr FixedString(std::string_view text) {
    for (std::size_t i = 0; i < text.size() && i + 1 < N; ++i) {
      bytes[i] = text[i];
    }
  }
  // NOLINTNEXTLINE(google-explicit-constructor)
  constexpr FixedString(const char* text) : FixedString(std::string_view(text)) {}

  [[nodiscard]] constexpr std::string_view view() const {
    std::size_t length = 0;
    while (length < N && bytes[length] != '\0') {
      ++length;
    }
    return {bytes.data(), length};
  }
  friend constexpr bool operator==(const FixedString& a, const FixedString& b) { return a.view() == b.view(); }
};

enum class ColumnKind : std::uint8_t { uint8, int32, int64, float32, float64, boolean, text };

template <>
struct Enumerators<ColumnKind> {
  static constexpr std::string_view what = "column type";
  static constexpr std::array<std::string_view, 7> names{"uint8",   "int32", "int64", "float32",
                                                         "float64", "bool",  "text"};
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

/// A value-initialised row: what a column holds that a file does not have.
template <class Row>
inline const Row default_row{};

/// One column, and where its value lies in a row. No template: a row type has up to a hundred of them.
struct Column {
  std::string_view name;
  std::string_view unit;  ///< empty for a count or a name
  std::string_view meaning;
  Role role = Role::measure;
  ColumnKind kind = ColumnKind::int64;
  std::int64_t offset = 0;  ///< bytes from the start of the row
  std::int64_t size = 0;    ///< bytes

  Column() = default;
  template <class Row, class Member>
  Column(std::string_view column, Member Row::* member, Role its_role, std::string_view its_unit,
         std::string_view its_meaning)
      : name(column),
        unit(its_unit),
        meaning(its_meaning),
        role(its_role),
        kind(ColumnKindOf<Member>::value),
        offset(reinterpret_cast<const std::byte*>(&(default_row<Row>.*member)) -
               reinterpret_cast<const std::byte*>(&default_row<Row>)),
        size(static_cast<std::int64_t>(sizeof(Member))) {}
};

using Columns = std::vector<Column>;

/// The columns of lists, one list after the other.
[[nodiscard]] inline Columns joined(std::initializer_list<Columns> lists) {
  Columns all;
  for (const Columns& list : lists) {
    all.insert(all.end(), list.begin(), list.end());
  }
  return all;
}

/// What Table, the console table and the schema page ask of a row type.
template <class Row>
concept RecordRow = std::copyable<Row> && requires {
  { Row::path } -> std::convertible_to<std::string_view>;
  { Row::meaning } -> std::convertible_to<std::string_view>;
  { Row::columns() } -> std::same_as<Columns>;
};

}  // namespace ringworld
