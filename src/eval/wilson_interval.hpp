#pragma once
/// @file  How sure a share of hits is.

#include <cstdint>

namespace ringworld {

struct Interval {
  double low = 0;
  double high = 1;
};

/// Two-sided 95 % Wilson score interval of hits / trials; unlike the normal one it stays inside [0, 1] and has a width
/// at 0 and at all hits. Without trials nothing is known: 0 to 1.
/// Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927).
/// @throws ringworld::Error (bad_input) unless 0 <= hits <= trials.
[[nodiscard]] Interval wilson_interval(std::int64_t hits, std::int64_t trials);

}  // namespace ringworld
