#pragma once
/// @file  Latency and bandwidth of a transfer: time = latency + bytes / bandwidth.
///
/// Source: Hockney, "The communication challenge for MPP: Intel Paragon and Meiko CS-2", Parallel Computing 20 (1994),
/// 389-398. Fitted by the squares of relative errors, as lengths span many orders of magnitude: by absolute errors only
/// the longest would count.

#include <span>

namespace ringworld {

struct LinkSample {
  double bytes = 0;
  double seconds = 0;  ///< positive
};

struct LinkFit {
  double latency = 0;           ///< s, of an empty transfer (alpha)
  double bytes_per_second = 0;  ///< of an endless one (beta); infinity where time does not grow with length
  double largest_error = 0;     ///< of the samples: |fitted - measured| / measured
};

/// Neither latency nor bandwidth comes out negative.
/// @throws Error when there are fewer than two samples, or all have one length
[[nodiscard]] LinkFit fit_link(std::span<const LinkSample> samples);

}  // namespace ringworld
