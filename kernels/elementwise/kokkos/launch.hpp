#pragma once
/// @file  The two loops of the element-wise families on a Kokkos execution space. A body is a functor or KOKKOS_LAMBDA.

#include <Kokkos_Core.hpp>
#include <algorithm>
#include <cstdint>
#include <string>

#include "device/kokkos/launch_scope.hpp"

namespace ringworld::kokkos {

using RowTeamPolicy = Kokkos::TeamPolicy<ExecutionSpace, Kokkos::IndexType<std::int64_t>>;
using RowTeam = typename RowTeamPolicy::member_type;

/// body(i) for 0 <= i < count, in any order.
template <class Body>
void for_each(const std::string& name, std::int64_t count, const Body& body) {
  if (count > 0) {
    const LaunchScope scope;
    Kokkos::parallel_for(
        name, Kokkos::RangePolicy<ExecutionSpace, Kokkos::IndexType<std::int64_t>>(ExecutionSpace(), 0, count), body);
  }
}

/// Calls a body of (row, column) by its number in row-major order.
template <class Body>
struct OfElement {
  Body body;
  std::int64_t columns;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t index) const { body(index / columns, index % columns); }
};

/// body(row, column) for every element of (rows, columns), in any order.
template <class Body>
void for_each_element(const std::string& name, std::int64_t rows, std::int64_t columns, const Body& body) {
  for_each(name, rows * columns, OfElement<Body>{body, columns});
}

/// Gives each team the rows that are left when all teams have taken theirs in turn: there may be more rows than a league
/// can have teams.
template <class Body>
struct OfRow {
  Body body;
  std::int64_t rows;

  KOKKOS_INLINE_FUNCTION void operator()(const RowTeam& team) const {
    for (std::int64_t row = team.league_rank(); row < rows; row += team.league_size()) {
      body(team, row);
    }
  }
};

/// body(team, row) for every row, each by a team. Lanes of a team take the columns by TeamVectorRange.
template <class Body>
void for_each_row(const std::string& name, std::int64_t rows, const Body& body) {
  if (rows > 0) {
    const LaunchScope scope;
    constexpr std::int64_t most_teams = 1 << 16;
    const int lanes = std::min(32, RowTeamPolicy::vector_length_max());
    Kokkos::parallel_for(name, RowTeamPolicy(static_cast<int>(std::min(rows, most_teams)), Kokkos::AUTO, lanes),
                         OfRow<Body>{body, rows});
  }
}

}  // namespace ringworld::kokkos
