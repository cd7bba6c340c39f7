#pragma once
/// @file  The cases of a benchmark program, and what is reported of each.
///
/// A program bench_<family> is one source file that defines `register_cases`; main, provenance and roofs are common.
///
///   counter                     meaning
///   seconds                     of an iteration, wall time: the median; seconds_min and seconds_max beside it
///   cpu_seconds                 of an iteration, processor time of the thread that starts it: the median. Of cases with
///                               one thread it is free of what other programs take meanwhile
///   FLOP/s, B/s                 flop and bytes of an iteration over its median time
///   of_peak                     FLOP/s over peak_FLOP/s
///   of_triad                    B/s over triad_B/s. The triad's 24 bytes an element leave out that a store first reads
///                               its line, so a kernel that stores little can pass 1
///   flop, bytes, flop_per_byte  of an iteration: what its kernels cost by kernels/<family>/cost.hpp
///   peak_FLOP/s, triad_B/s      the roofs: same dtype, as many threads, the best seen in this run so far, this case
///                               included
///
/// Cases of tuned backends with memory of their own are timed by events of their device: five iterations that do not
/// count, then thirty, so that their operands are drawn once. Their peak is the rate of an 8192 x 8192 x 8192 product
/// of the same dtype there, their triad a copy in its memory (device_roofs.hpp).
///
/// RINGWORLD_BENCH_SLOWDOWN=0.05 in the environment makes every case on the host take 5 % longer, or those alone whose
/// names hold the text of RINGWORLD_BENCH_SLOWED: a test of who judges.
///
/// The label holds what is not a number: `family=attention backend=host dtype=float32 isa=avx512 threads=1`.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/dtype.hpp"
#include "device/backend.hpp"
#include "device/cost.hpp"
#include "kernels/bench/common/device_roofs.hpp"
#include "kernels/bench/common/measured_roofs.hpp"

namespace ringworld::bench {

struct Case {
  std::string name;  ///< what `--benchmark_filter` sees, "forward/host/float32/S:1024/D:64"
  std::string family;
  Backend backend = Backend::host;
  DType dtype = DType::float32;  ///< of the operands: it chooses the peak
  std::int64_t threads = 1;
};

/// What a case repeats.
struct Operation {
  std::function<void()> run;        ///< timed
  Cost cost;                        ///< of an iteration
  std::function<void()> prepare{};  ///< not timed, before every iteration; may be empty
};

/// Allocates and fills what a case needs, warms up, and returns the operation of one iteration.
using SetUp = std::function<Operation()>;

class Suite {
 public:
  /// @param roofs  has to outlive the run
  explicit Suite(MeasuredRoofs& roofs) : roofs_(&roofs) {}

  /// Adds a case. An Error that `set_up` or the operation throws is reported in the place of the case's figures.
  void add(const Case& point, SetUp set_up);

 private:
  MeasuredRoofs* roofs_;
  std::map<Backend, std::shared_ptr<DeviceRoofs>> device_roofs_;
};

/// The thread counts that cases are made for: 1, and 2 where this process may use two CPUs.
[[nodiscard]] std::vector<std::int64_t> thread_counts();

/// The backends that are built for speed and can run here.
[[nodiscard]] std::vector<Backend> tuned_backends();

/// Whether a case is timed by events of a device, and is given operands several times as large: a GPU's cache is
/// larger.
[[nodiscard]] bool is_on_device(Backend backend);

/// Adds all cases of the program. Each program defines it.
void register_cases(Suite& suite);

}  // namespace ringworld::bench
