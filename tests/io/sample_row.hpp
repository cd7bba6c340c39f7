#pragma once
/// @file  A row with a member of every type, in an order that leaves gaps in memory.

#include <cstdint>

#include "io/row.hpp"

namespace ringworld::test {

struct SampleRow {
  static constexpr std::string_view path = "/group/samples";
  static constexpr std::string_view meaning = "one | sample";

  bool valid = false;
  std::int32_t small = -1;
  FixedString<5> name;
  std::int64_t bytes = 0;
  bool causal = true;
  double seconds = 0;

  friend bool operator==(const SampleRow&, const SampleRow&) = default;

  static Columns columns() {
    using R = SampleRow;
    return {Column{"valid", &R::valid, Role::verdict, "", "whether it counts"},
            Column{"small", &R::small, Role::key, "", "a small number"},
            Column{"name", &R::name, Role::key, "", "a | name"},
            Column{"bytes", &R::bytes, Role::model, "B", "memory"},
            Column{"causal", &R::causal, Role::key, "", "whether a query sees earlier tokens only"},
            Column{"seconds", &R::seconds, Role::measure, "s", "wall time"}};
  }
};

/// Row number `i` of a series in which all columns change.
inline SampleRow sample_row(std::int64_t i) {
  constexpr std::array<const char*, 3> names{"", "abcd", "µ"};
  return {.valid = i % 2 == 0,
          .small = static_cast<std::int32_t>(-i),
          .name = names[static_cast<std::size_t>(i % 3)],
          .bytes = i << 40,
          .causal = i % 3 == 0,
          .seconds = 0.1 * static_cast<double>(i)};
}

}  // namespace ringworld::test
