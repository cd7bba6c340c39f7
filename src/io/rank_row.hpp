#pragma once
/// @file  Where a rank ran: the per-rank half of a record's provenance.

#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>

#include "io/row.hpp"

namespace ringworld {

/// One rank of one run.
struct RankRow {
  static constexpr std::string_view path = "/provenance/ranks";
  static constexpr std::string_view meaning = "where each rank ran";

  std::int64_t run = 0;
  std::int64_t rank = 0;
  FixedString<64> host;
  FixedString<96> cpu;
  FixedString<16> isa;
  FixedString<128> cpu_features;
  FixedString<128> binding;
  std::int64_t packages = 0;
  std::int64_t cores = 0;
  std::int64_t numa_nodes = 0;
  FixedString<64> numa_binding;
  FixedString<128> core_binding;
  FixedString<96> caches;
  FixedString<96> device;
  FixedString<96> network;
  std::int64_t pid = 0;

  static Columns columns() {
    using R = RankRow;
    return {
        Column{"run", &R::run, Role::key, "", "0 for the run that started the record, n for the n-th that resumed it"},
        Column{"rank", &R::rank, Role::key, "", "rank in the job"},
        Column{"host", &R::host, Role::origin, "", "name of the node"},
        Column{"cpu", &R::cpu, Role::origin, "", "model of the processor"},
        Column{"isa", &R::isa, Role::origin, "", "instruction set that the kernels ran on: portable, avx2 or avx512"},
        Column{"cpu_features", &R::cpu_features, Role::origin, "", "vector instruction sets of the processor"},
        Column{"binding", &R::binding, Role::origin, "",
               "logical CPUs that the rank may run on, as in 0-3,8; all when not bound, empty when not known"},
        Column{"packages", &R::packages, Role::origin, "", "processors in sockets of the node; 0: not known"},
        Column{"cores", &R::cores, Role::origin, "", "physical cores of the node; 0: not known"},
        Column{"numa_nodes", &R::numa_nodes, Role::origin, "", "NUMA nodes of the node; 0: not known"},
        Column{"numa_binding", &R::numa_binding, Role::origin, "",
               "NUMA nodes that are near the CPUs of binding, as in 0-1"},
        Column{"core_binding", &R::core_binding, Role::origin, "", "physical cores of the CPUs of binding, as in 0-1"},
        Column{"caches", &R::caches, Role::origin, "", "caches of a core, the nearest first"},
        Column{"device", &R::device, Role::origin, "", "what computes: host, or the model of the accelerator"},
        Column{"network", &R::network, Role::origin, "",
               "devices of the node that lead to others, with their rates where the kernel tells them"},
        Column{"pid", &R::pid, Role::origin, "", "process number on its node"}};
  }
};

/// The row of the calling process. `run` is left 0 and `device` "host".
/// @throws ringworld::Error (bad_input) when RINGWORLD_ISA names no instruction set of this CPU.
[[nodiscard]] RankRow describe_this_process(std::int64_t rank);

/// What /proc/cpuinfo says of the first processor.
struct CpuDescription {
  std::string model;
  std::string features;  ///< vector instruction sets, blank-separated, in the order in which the file names them
};

/// Reads the x86 and the Arm flavour of the file; fields it cannot find stay empty.
[[nodiscard]] CpuDescription parse_cpuinfo(std::istream& cpuinfo);

/// {0, 1, 2, 8} -> "0-2,8"; the numbers must ascend.
[[nodiscard]] std::string format_cpu_list(std::span<const int> cpus);

}  // namespace ringworld
