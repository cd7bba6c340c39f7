#pragma once
/// @file  What Backend::simulated takes its times from.

#include <cstdint>
#include <string>

#include "device/cost.hpp"
#include "perf/rate_table.hpp"

namespace ringworld {

struct Simulation {
  RateTable rates;
  std::string name;    ///< of the file without folder and ending, or the rate itself
  std::string digest;  ///< of the content
};

/// @param rates  path of a rate table (perf/rate_table.hpp); or FLOP/s that every kernel reaches, as in 1e12, and then what
///        only moves memory takes no time
/// @throws Error(bad_input) when it is neither
[[nodiscard]] Simulation read_simulation(const std::string& rates);

/// Whether the text is a rate and not a path.
[[nodiscard]] bool is_single_rate(const std::string& rates);

/// Seconds of one call: of products and attention by their FLOP, of all else by its bytes.
/// @throws Error(bad_input) when the table has no rate of such work
[[nodiscard]] double seconds_of(const RateTable& rates, const Cost& cost);

}  // namespace ringworld
