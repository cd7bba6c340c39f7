#pragma once
/// @file  The schedules that tests go through, and the layouts, masks, rotations and types for each of them.

#include <vector>

#include "sequence/sequence_attention.hpp"

namespace ringworld::test {

/// Every kind of schedule with parameters that are not as usual; the plain ring comes first. For any number of ranks
/// and any problem, once it is fitted.
[[nodiscard]] std::vector<Schedule> every_schedule();

/// The same schedule with the nearest parameters that fit the case: the largest window below the number of ranks, no
/// more head groups than kv heads, trim only where a mask hides something, an exchange among as many neighbours as
/// heads and ranks allow.
[[nodiscard]] Schedule fitted(Schedule schedule, const SequenceAttentionOptions& options, int ranks);

/// Whether the fitted schedule is one that every_schedule lists apart: a ring that lost its trim, or an exchange of
/// heads that has no neighbours left.
[[nodiscard]] bool is_tested_elsewhere(const Schedule& schedule, const Schedule& fitted_schedule);

/// What a schedule is combined with.
struct Setting {
  Layout layout = Layout::zigzag;
  bool is_causal = true;
  BackwardRotation rotation = BackwardRotation::kv;
  DType dtype = DType::float32;
};

/// All 24 settings.
[[nodiscard]] std::vector<Setting> every_setting();

/// Six settings in which every value of one choice meets every value of any other: two of each layout, which differ in
/// everything else. The settings of four turns, one after another, are all 24. Of a trimmed ring, which has fewer:
/// those that it has.
[[nodiscard]] std::vector<Setting> covering_settings(const Schedule& schedule, int turn);

}  // namespace ringworld::test
