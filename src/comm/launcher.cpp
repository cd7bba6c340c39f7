#include "comm/launcher.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstring>

namespace ringworld {
namespace {

struct LauncherVariables {
  std::string_view launcher;
  const char* processes;  ///< how many it started, on all nodes or on this one
  const char* process;    ///< which of them this is, counted from 0
};

// Sources: MPICH's Hydra (PMI_SIZE, PMI_RANK, MPI_LOCALNRANKS, MPI_LOCALRANKID), which Intel MPI's launcher derives
// from; MVAPICH2's user guide; HPE PALS, aprun(1) and srun(1) manual pages; IBM Spectrum and PRRTE for PMIx. A step's
// variables of Slurm are set by srun alone, unlike SLURM_NTASKS.
constexpr std::array<LauncherVariables, 8> launchers{{
    {"Hydra, Intel MPI's mpirun or a PMI launcher", "PMI_SIZE", "PMI_RANK"},
    {"Hydra or Intel MPI's mpirun", "MPI_LOCALNRANKS", "MPI_LOCALRANKID"},
    {"MVAPICH's launcher", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK"},
    {"HPE's launcher PALS", "PALS_SIZE", "PALS_RANKID"},
    {"HPE's launcher PALS", "PALS_LOCAL_SIZE", "PALS_LOCAL_RANKID"},
    {"aprun", "ALPS_APP_SIZE", "ALPS_APP_PE"},
    {"a PMIx launcher", "PMIX_SIZE", "PMIX_RANK"},
    {"srun", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},
}};

std::optional<int> number_of(const VariableReader& variable, const char* name) {
  const char* const text = variable(name);
  if (text == nullptr) {
    return std::nullopt;
  }
  int number = 0;
  const char* const end = text + std::strlen(text);
  const auto [stop, failed] = std::from_chars(text, end, number);
  return failed == std::errc() && stop == end ? std::optional(number) : std::nullopt;
}

std::optional<LauncherMismatch> mismatch_of(const LauncherVariables& names, std::string_view mpi_library,
                                            const VariableReader& variable) {
  const std::optional<int> processes = number_of(variable, names.processes);
  const std::optional<int> process = number_of(variable, names.process);
  const bool counts_several = processes.value_or(0) > 1;
  // In a batch script Slurm sets the process number, to 0, without a step.
  const bool is_a_later_one = !processes.has_value() && process.value_or(0) > 0;
  if (!counts_several && !is_a_later_one) {
    return std::nullopt;
  }
  const std::string counted = counts_several
                                  ? fmt::format("{} processes ({}={})", *processes, names.processes, *processes)
                                  : fmt::format("process number {} ({})", *process, names.process);
  const char* const decisive = counts_several ? names.processes : names.process;
  return LauncherMismatch{.message = fmt::format("{} started {}, but this program's MPI library sees one rank. "
                                                 "Start it with the launcher of {}, or unset {} for a job of one rank",
                                                 names.launcher, counted, mpi_library, decisive),
                          .speaks = process.value_or(0) == 0 || is_a_later_one};
}

}  // namespace

std::optional<LauncherMismatch> launcher_mismatch(int job_size, std::string_view mpi_library,
                                                  const VariableReader& variable) {
  if (job_size != 1) {
    return std::nullopt;
  }
  constexpr LauncherVariables open_mpi{"Open MPI's mpirun", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"};
  // Other launchers may have started mpirun's own daemons: their variables are then not about this process.
  if (number_of(variable, open_mpi.processes).has_value()) {
    return mismatch_of(open_mpi, mpi_library, variable);
  }
  for (const LauncherVariables& names : launchers) {
    if (auto found = mismatch_of(names, mpi_library, variable)) {
      return found;
    }
  }
  return std::nullopt;
}

}  // namespace ringworld
