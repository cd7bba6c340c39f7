#pragma once
/// @file  How a row type declares its fields: once, with name, role, unit and meaning. The HDF5 table, the console
/// table, results/SCHEMA.md, and what tells two rows apart are all taken from that declaration.
///
///   struct SampleRow {
///     static constexpr std::string_view path = "/samples";
///     static constexpr std::string_view meaning = "one timed repeat of one rank";
///     std::int64_t rank = 0;
///     double seconds = 0;
///     static constexpr auto fields() {
///       return std::tuple{Field{"rank", &SampleRow::rank, Role::key, "", "rank in its ring"},
///                         Field{"seconds", &SampleRow::seconds, Role::measure, "s", "wall time"}};
///     }
///   };
///
/// Members may be std::uint8_t, std::int32_t, std::int64_t, float, double, bool or FixedString<N>.

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>

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

/// One column.
template <class Row, class Member>
struct Field {
  std::string_view name;
  Member Row::* member;
  Role role = Role::measure;
  std::string_view unit;  ///< empty for a count or a name
  std::string_view meaning;
};

template <class Row, class Member>
Field(const char*, Member Row::*, Role, const char*, const char*) -> Field<Row, Member>;

/// What Table, the console table and the schema page ask of a row type.
template <class Row>
concept RecordRow = std::copyable<Row> && requires {
  { Row::path } -> std::convertible_to<std::string_view>;
  { Row::meaning } -> std::convertible_to<std::string_view>;
  Row::fields();
};

}  // namespace ringworld
