#pragma once
/// @file  How a point ended, as a column that programs can read.

#include <array>
#include <cstdint>
#include <string_view>

#include "core/enumerators.hpp"
#include "core/error.hpp"

namespace ringworld {

enum class Outcome : std::uint8_t {
  ok,             ///< measured, and every check passed
  failed_check,   ///< a result or a count that is wrong
  not_finite,     ///< a result that holds NaN or infinity
  out_of_memory,  ///< not measured for want of memory
  timeout,        ///< not measured within its time
  interrupted,    ///< not measured to the end: a signal or a standstill ended the run
  bad_input,      ///< not measured: the request is invalid
};

template <>
struct Enumerators<Outcome> {
  static constexpr std::string_view what = "outcome";
  static constexpr std::array<std::string_view, 7> names{"ok",      "failed_check", "not_finite", "out_of_memory",
                                                         "timeout", "interrupted",  "bad_input"};
};

/// The outcome that an error stands for.
[[nodiscard]] constexpr Outcome outcome_of(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::bad_input:
      return Outcome::bad_input;
    case ErrorKind::out_of_memory:
      return Outcome::out_of_memory;
    default:
      return Outcome::failed_check;
  }
}

/// Sets the verdict of a row: its columns outcome, reason and valid say the same.
template <class Row>
void conclude(Row& row, Outcome outcome, std::string_view reason = {}) {
  row.outcome = name_of(outcome);
  row.reason = reason;
  row.valid = outcome == Outcome::ok;
}

/// The verdict of a row. A record of a version without the column says only whether the row is valid.
template <class Row>
[[nodiscard]] Outcome outcome_of(const Row& row) {
  const auto found = find_enumerator<Outcome>(row.outcome.view());
  return found.value_or(row.valid ? Outcome::ok : Outcome::failed_check);
}

/// Whether a point was measured, well or badly; if not, another try may measure it.
[[nodiscard]] constexpr bool is_measured(Outcome outcome) noexcept {
  return outcome == Outcome::ok || outcome == Outcome::failed_check || outcome == Outcome::not_finite;
}

}  // namespace ringworld
