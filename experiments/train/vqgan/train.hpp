#pragma once
/// @file  `ringworld train` with a file that has a [vqgan] table.

#include "experiments/common/job.hpp"

namespace ringworld {

/// Trains a VQGAN to its end and returns the program's exit code. Collective over the job.
[[nodiscard]] int run_vqgan_train(const Job& job);

}  // namespace ringworld
