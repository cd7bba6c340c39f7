#pragma once
/// @file  The columns that name a schedule of attention and its parameters, the same in every row that has them.

#include <cstdint>
#include <tuple>

#include "io/row.hpp"

namespace ringworld {

/// Base of a row. The defaults are what a record means that is older than the column.
struct ScheduleColumns {
  FixedString<24> schedule = "ring";
  std::int64_t ulysses = 1;
  std::int64_t window = 0;
  std::int64_t head_groups = 1;
  bool trim = false;

  /// @param of_row  a Schedule (sequence/schedule.hpp), which this module does not know
  template <class Schedule>
  void set_schedule(const Schedule& of_row) {
    schedule = name_of(of_row.kind);
    ulysses = of_row.ulysses;
    window = of_row.window;
    head_groups = of_row.head_groups;
    trim = of_row.is_trimmed;
  }
};

/// A field of a row that it has from ScheduleColumns.
template <class Row, class Member>
Column schedule_column(const char* name, Member ScheduleColumns::* member, const char* unit, const char* meaning) {
  return {name, member, Role::key, unit, meaning};
}

template <class Row>
Columns schedule_columns() {
  using C = ScheduleColumns;
  return {
      schedule_column<Row>("schedule", &C::schedule, "",
                           "how attention moves blocks between ranks: ring, all_gather, bidirectional, double_ring, "
                           "broadcast, broadcast_queries or pass_q"),
      schedule_column<Row>("ulysses", &C::ulysses, "rank",
                           "ranks among which heads are exchanged (U), so that the schedule runs over ranks / ulysses"),
      schedule_column<Row>("window", &C::window, "rank",
                           "ranks of an inner ring of double_ring (W); 0: as many as a node has, or another schedule"),
      schedule_column<Row>("head_groups", &C::head_groups, "",
                           "groups of heads that travel one after another, of an exchange (ulysses), else of an "
                           "all_gather; 1: all at once"),
      schedule_column<Row>("trim", &C::trim, "",
                           "whether a ring drops what the mask hides from all ranks still to come")};
}

}  // namespace ringworld
