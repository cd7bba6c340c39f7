#include "io/batch_job.hpp"

#include <charconv>
#include <cstdlib>
#include <string_view>

namespace ringworld {
namespace {

std::string_view value_of(const char* variable) {
  const char* const value = std::getenv(variable);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

}  // namespace

BatchJob this_batch_job() {
  BatchJob job;
  for (const char* const variable : {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "FLUX_JOB_ID"}) {
    if (job.number.empty()) {
      job.number = value_of(variable);
    }
  }
  const std::string_view restarts = value_of("SLURM_RESTART_COUNT");
  std::from_chars(restarts.data(), restarts.data() + restarts.size(), job.restarts);
  return job;
}

}  // namespace ringworld
