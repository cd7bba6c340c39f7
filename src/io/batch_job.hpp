#pragma once
/// @file  The batch system's job that this process is part of, as the environment tells.

#include <cstdint>
#include <string>

namespace ringworld {

struct BatchJob {
  std::string number;         ///< that the batch system gave; empty outside of one
  std::int64_t restarts = 0;  ///< times that the batch system put the job back and started it again
};

[[nodiscard]] BatchJob this_batch_job();

}  // namespace ringworld
