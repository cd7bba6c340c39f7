#pragma once
/// @file  The rows that `ringworld sweep` adds to those of the verbs it runs.

#include <cstdint>

#include "io/row.hpp"

namespace ringworld {

/// One run of a verb at one point of the grid.
struct SweepPointRow {
  static constexpr std::string_view path = "/sweep/points";
  static constexpr std::string_view meaning = "one run of a verb; its rows are in the verb's own tables";

  FixedString<16> verb;
  std::int64_t ranks = 0;
  FixedString<160> configuration;
  FixedString<240> arguments;
  FixedString<240> part;
  FixedString<24> question;
  std::int64_t rows = 0;
  double seconds = 0;
  std::int64_t exit_code = 0;
  bool valid = false;
  FixedString<16> outcome;
  FixedString<240> reason;
  std::int64_t run = 0;

  static Columns columns() {
    using R = SweepPointRow;
    return {
        Column{"verb", &R::verb, Role::key, "", "attention, train or needle"},
        Column{"ranks", &R::ranks, Role::key, "rank", "ranks that the verb ran on: the first so many of the job"},
        Column{"configuration", &R::configuration, Role::origin, "",
               "configuration file that the verb was given with --config; empty without one"},
        Column{"arguments", &R::arguments, Role::origin, "", "command line of the run, after the verb"},
        Column{"part", &R::part, Role::origin, "", "record file of this run, whose rows were merged into this record"},
        Column{"question", &R::question, Role::key, "",
               "digest of the command line and of every file that it reads, models of earlier parts included"},
        Column{"rows", &R::rows, Role::measure, "",
               "rows merged from that record, over all tables; 0 if the run stopped because of its input"},
        Column{"seconds", &R::seconds, Role::measure, "s", "wall time of the verb"},
        Column{"exit_code", &R::exit_code, Role::verdict, "", "0 ok, 1 a check failed, 2 bad usage or input"},
        Column{"valid", &R::valid, Role::verdict, "", "whether the exit code was 0"},
        Column{"outcome", &R::outcome, Role::verdict, "",
               "ok, failed_check, not_finite, out_of_memory, timeout, interrupted or bad_input"},
        Column{"reason", &R::reason, Role::verdict, "", "why the row is not valid; empty when it is"},
        Column{"run", &R::run, Role::origin, "",
               "0 for the run that started the record, n for the n-th that resumed it (/provenance)"}};
  }
};

}  // namespace ringworld
