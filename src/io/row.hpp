#pragma once
/// @file  How a row type declares its fields: once, with name, unit and meaning. The HDF5 table, the console table
/// and results/SCHEMA.md are all generated from that declaration.
///
///   struct SampleRow {
///     static constexpr std::string_view path = "/samples";
///     static constexpr std::string_view meaning = "one timed repeat of one rank";
///     std::int64_t rank = 0;
///     double seconds = 0;
///     static constexpr auto fields() {
///       return std::tuple{Field{"rank", &SampleRow::rank, "", "rank in its ring"},
///                         Field{"seconds", &SampleRow::seconds, "s", "wall time"}};
///     }
///   };
///
/// Members may be std::int32_t, std::int64_t, double, bool or FixedString<N>.

#include <array>
#include <concepts>
#include <cstddef>
#include <string_view>
#include <tuple>

namespace ringworld {

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
  std::string_view unit;  ///< empty for a count or a name
  std::string_view meaning;
};

template <class Row, class Member>
Field(const char*, Member Row::*, const char*, const char*) -> Field<Row, Member>;

/// What Table, the console table and the schema page ask of a row type.
template <class Row>
concept RecordRow = std::copyable<Row> && requires {
  { Row::path } -> std::convertible_to<std::string_view>;
  { Row::meaning } -> std::convertible_to<std::string_view>;
  Row::fields();
};

}  // namespace ringworld
