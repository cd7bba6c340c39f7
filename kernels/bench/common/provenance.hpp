#pragma once
/// @file  Provenance of a benchmark's figures, in the `context` of Google Benchmark's output.

#include "kernels/bench/common/measured_roofs.hpp"

namespace ringworld::bench {

/// Adds revision, compiler, flags, libraries, CPU, instruction set and the roofs of one thread to the context. Google
/// Benchmark itself adds date, host, number of CPUs, caches and load.
void add_provenance(MeasuredRoofs& roofs);

}  // namespace ringworld::bench
