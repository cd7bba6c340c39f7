#pragma once
/// @file  The roofs that benchmarks are held against: FMA peaks and triad bandwidth of this machine, in this run.
///
/// Another program on the machine can only lower what is measured, never raise it. So a roof is measured again as long as
/// the run goes on, shortly before the cases that are held against it, and its largest value counts.

#include <cstdint>
#include <map>
#include <utility>

#include "core/dtype.hpp"

namespace ringworld::bench {

class MeasuredRoofs {
 public:
  /// FLOP/s of this many threads at once in FMA chains of `selected_isa()`, with factors of this dtype. Takes a tenth of
  /// a second when the last measurement is older than `seconds_of_validity`.
  [[nodiscard]] double fma(DType dtype, std::int64_t threads);

  /// Bytes/s of this many threads at once in triads over arrays of `triad_bytes` each; measured as seldom.
  [[nodiscard]] double triad(std::int64_t threads);

  /// Two or more times the last-level cache that a core sees on the machines we know.
  static constexpr std::int64_t triad_bytes = std::int64_t{64} << 20;
  static constexpr double seconds_of_validity = 3;

 private:
  struct Roof {
    double best = 0;
    double measured_at = 0;  ///< by now_seconds(); meaningless while best is 0
  };

  template <class Measure>
  static double refresh(Roof& roof, std::int64_t threads, Measure&& measure);

  std::map<std::pair<DType, std::int64_t>, Roof> fma_;
  std::map<std::int64_t, Roof> triad_;
};

}  // namespace ringworld::bench
