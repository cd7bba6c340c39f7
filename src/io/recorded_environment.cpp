#include "io/recorded_environment.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace ringworld {

namespace {

constexpr std::array<std::string_view, 11> recorded_prefixes{
    "OMP_", "OMPI_MCA_", "UCX_", "NCCL_", "KOKKOS_", "RINGWORLD_", "GOMP_", "KMP_", "MPICH_", "FI_", "HDF5_"};

constexpr std::array<std::string_view, 19> recorded_names{"CUDA_VISIBLE_DEVICES",
                                                          "HIP_VISIBLE_DEVICES",
                                                          "ROCR_VISIBLE_DEVICES",
                                                          "ZE_AFFINITY_MASK",
                                                          "OPENBLAS_NUM_THREADS",
                                                          "MKL_NUM_THREADS",
                                                          "BLIS_NUM_THREADS",
                                                          "SLURM_JOB_ID",
                                                          "SLURM_JOB_PARTITION",
                                                          "SLURM_NNODES",
                                                          "SLURM_NTASKS",
                                                          "SLURM_NTASKS_PER_NODE",
                                                          "SLURM_CPUS_PER_TASK",
                                                          "SLURM_CPU_BIND",
                                                          "SLURM_JOB_NUM_NODES",
                                                          "SLURM_CLUSTER_NAME",
                                                          "PBS_JOBID",
                                                          "LSB_JOBID",
                                                          "CUDA_DEVICE_MAX_CONNECTIONS"};

/// In upper case. The last two are the job key and the contact address that Open MPI's launcher hands down.
constexpr std::array<std::string_view, 9> secret_parts{
    "TOKEN", "SECRET", "PASSW", "CREDENTIAL", "AUTH", "COOKIE", "_KEY", "PRECONDITION_TRANSPORTS", "_URI"};

}  // namespace

bool is_recorded_variable(std::string_view name) {
  const bool is_allowed =
      std::ranges::find(recorded_names, name) != recorded_names.end() ||
      std::ranges::any_of(recorded_prefixes, [&](std::string_view prefix) { return name.starts_with(prefix); });
  std::string upper(name);
  std::ranges::transform(upper, upper.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return is_allowed && std::ranges::none_of(
                           secret_parts, [&](std::string_view part) { return upper.find(part) != std::string::npos; });
}

std::vector<std::pair<std::string, std::string>> recorded_environment() {
  std::vector<std::pair<std::string, std::string>> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const auto equals = text.find('=');
    if (equals != std::string_view::npos && is_recorded_variable(text.substr(0, equals))) {
      variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  std::ranges::sort(variables);
  return variables;
}

}  // namespace ringworld
