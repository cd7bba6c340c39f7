#pragma once
/// @file  The roofs that benchmarks are held against: FMA peaks and triad bandwidth of this machine, in this run.
///
/// Another program on the machine can only lower what is measured, never raise it. So each roof is measured again before
/// and after every case that is held against it, as long as the run goes on, and its largest value counts.
///
/// With RINGWORLD_BENCH_ROOFS=off in the environment nothing is measured and all roofs are NaN: for who compares two
/// builds only, in many short runs.

#include <cstdint>
#include <map>
#include <utility>

#include "core/dtype.hpp"

namespace ringworld::bench {

class MeasuredRoofs {
 public:
  /// Measures the roofs of this many threads at once, for about a tenth of a second each; does nothing when that was done
  /// less than `seconds_of_validity` ago.
  void measure(DType dtype, std::int64_t threads);

  /// FLOP/s of the threads together in FMA chains of `selected_isa()`, with factors of this dtype.
  /// @throws Error when it was not measured.
  [[nodiscard]] double fma(DType dtype, std::int64_t threads) const;

  /// Bytes/s of the threads together in triads over arrays of `triad_bytes` each.
  /// @throws Error when it was not measured.
  [[nodiscard]] double triad(std::int64_t threads) const;

  /// Two or more times the last-level cache that a core sees on the machines we know.
  static constexpr std::int64_t triad_bytes = std::int64_t{64} << 20;
  static constexpr double seconds_of_validity = 1;

 private:
  struct Roof {
    double best = 0;
    double measured_at = 0;  ///< by now_seconds(); meaningless while best is 0
  };

  template <class Measure>
  static void refresh(Roof& roof, std::int64_t threads, Measure&& measure);

  std::map<std::pair<DType, std::int64_t>, Roof> fma_;
  std::map<std::int64_t, Roof> triad_;
};

}  // namespace ringworld::bench
