#pragma once
/// @file  The times of collectives that `ringworld info --links` left in a record, as predictions take them.

#include <array>
#include <optional>
#include <span>

#include "experiments/attention/rows.hpp"
#include "experiments/common/link_rows.hpp"
#include "perf/rate_table.hpp"
#include "sequence/plan_time.hpp"

namespace ringworld {

/// By GroupMotion: bytes are those that the busiest rank must send or receive. Missing: nothing was measured.
using CollectiveRates = std::array<std::optional<LinkRate>, group_motion_count>;

/// Latency and bandwidth fitted to the rows of a job like that of the point: as many ranks on as many nodes, and the
/// same backend and transport. A collective with fewer than two lengths is missing, and so are those of a hybrid of
/// Ulysses and a ring: its collectives are among some of the ranks, and rows are of all.
/// The lowest and highest bandwidth are those of the slowest and the fastest repeats.
[[nodiscard]] CollectiveRates collective_rates(std::span<const LinkRow> rows, const AttentionRow& point,
                                               std::int64_t nodes);

}  // namespace ringworld
