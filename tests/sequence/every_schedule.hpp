#pragma once
/// @file  The schedules that tests go through: every kind, with parameters that are not as usual.

#include <vector>

#include "sequence/sequence_attention.hpp"

namespace ringworld::test {

/// The schedules that tests go through, for any number of ranks and any problem.
[[nodiscard]] std::vector<Schedule> every_schedule();

/// The same schedule with the nearest parameters that fit the case: the largest window below the number of ranks, no
/// more head groups than kv heads, trim only where a mask hides something, no exchange of heads that do not divide.
[[nodiscard]] Schedule fitted(Schedule schedule, const SequenceAttentionOptions& options, int ranks);

}  // namespace ringworld::test
