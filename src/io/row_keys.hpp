#pragma once
/// @file  Which rows are of the same point: those whose key columns agree.

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>

#include "io/row.hpp"

namespace ringworld {

/// Appends a value of a key: the same bytes for the same value. Every NaN is the same value, and so are both zeros.
template <class Member>
void append_key(std::string& key, const Member& value) {
  const auto append_bytes = [&](const auto& number) {
    const auto bytes = std::bit_cast<std::array<char, sizeof(number)>>(number);
    key.append(bytes.data(), bytes.size());
  };
  if constexpr (std::is_floating_point_v<Member>) {
    append_bytes(std::isnan(value) ? std::numeric_limits<Member>::quiet_NaN() : value + Member{0});
  } else if constexpr (std::is_arithmetic_v<Member>) {
    append_bytes(value);
  } else {
    key.append(value.view());
    key += '\0';
  }
}

/// The key columns of a row as bytes, for sets and maps of points.
template <RecordRow Row>
[[nodiscard]] std::string key_of(const Row& row) {
  std::string key;
  const auto add = [&](const auto& field) {
    if (field.role == Role::key) {
      append_key(key, row.*field.member);
    }
  };
  std::apply([&](const auto&... field) { (add(field), ...); }, Row::fields());
  return key;
}

/// True when the rows agree in every column of role key: they are of the same point. Everything that asks whether a
/// point is there already (a resumed run, the merge of records) asks here, or compares `key_of`.
template <RecordRow Row>
[[nodiscard]] bool same_keys(const Row& a, const Row& b) {
  return key_of(a) == key_of(b);
}

}  // namespace ringworld
