#pragma once
/// @file  Whether the launcher that started this process and the MPI library that it uses belong together.
///
/// When they do not, each of N processes believes to be the one rank of a job of its own, and N jobs write the same
/// files.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace ringworld {

/// The value of an environment variable; null when it is not set.
using VariableReader = std::function<const char*(const char* name)>;

struct LauncherMismatch {
  std::string message;  ///< for people: who says what, and what to do
  bool speaks = true;   ///< this is the process of the launcher's that may print it, so that it is printed once
};

/// Looks for a launcher that says it started several processes, where MPI says that the job has `job_size` ranks.
///
/// Only a job of one rank is in doubt. Variables of an allocation, such as SLURM_NTASKS in a batch script, say nothing
/// about this process; those of a job step do. Open MPI's own launcher knows best what it started.
/// @param mpi_library  what this program was built with, for people
[[nodiscard]] std::optional<LauncherMismatch> launcher_mismatch(int job_size, std::string_view mpi_library,
                                                                const VariableReader& variable);

}  // namespace ringworld
