#pragma once
/// @file  `ringworld train --backend simulated`: a step of every stage, its messages real or of simulated ranks,
/// its kernels the time that rates say. It trains nothing.

#include <string>

#include "experiments/common/job.hpp"
#include "experiments/train/config.hpp"

namespace ringworld {

/// @param configuration  the values in force, for the record
/// @return the exit code. Collective over the job.
int run_simulated_train(const Job& job, const TrainOptions& values, const std::string& configuration);

}  // namespace ringworld
