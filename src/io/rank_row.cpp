#include "io/rank_row.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <istream>
#include <sstream>
#include <string_view>
#include <vector>

#include "core/isa.hpp"
#include "core/topology.hpp"
#include "io/network_devices.hpp"

namespace ringworld {

namespace {

constexpr std::array<std::string_view, 17> vector_instruction_sets{
    "sse4_2",      "avx",         "f16c",     "fma",      "avx2",  "avx_vnni", "avx512f", "avx512bw", "avx512vl",
    "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_tile", "asimd", "bf16",     "sve",     "sve2"};

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

std::string vector_sets_of(std::string_view flags) {
  std::istringstream words{std::string(flags)};
  std::string result;
  for (std::string word; words >> word;) {
    if (std::ranges::find(vector_instruction_sets, word) != vector_instruction_sets.end()) {
      result += (result.empty() ? "" : " ") + word;
    }
  }
  return result;
}

}  // namespace

CpuDescription parse_cpuinfo(std::istream& cpuinfo) {
  CpuDescription cpu;
  std::string implementer;
  std::string part;
  for (std::string line; std::getline(cpuinfo, line) && (!line.empty() || cpu.features.empty());) {
    const auto colon = line.find(':');
    if (colon == std::string::npos) {
      continue;
    }
    const auto key = trimmed(std::string_view(line).substr(0, colon));
    const auto value = trimmed(std::string_view(line).substr(colon + 1));
    if (key == "model name") {
      cpu.model = value;
    } else if (key == "flags" || key == "Features") {
      cpu.features = vector_sets_of(value);
    } else if (key == "CPU implementer") {
      implementer = value;
    } else if (key == "CPU part") {
      part = value;
    }
  }
  // Arm kernels name the processor by numbers only.
  if (cpu.model.empty() && !part.empty()) {
    cpu.model = fmt::format("Arm implementer {} part {}", implementer, part);
  }
  return cpu;
}

std::string format_cpu_list(std::span<const int> cpus) {
  std::string text;
  for (std::size_t first = 0; first < cpus.size();) {
    std::size_t last = first;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) {
      ++last;
    }
    text += text.empty() ? "" : ",";
    text += first == last ? fmt::format("{}", cpus[first]) : fmt::format("{}-{}", cpus[first], cpus[last]);
    first = last + 1;
  }
  return text;
}

RankRow describe_this_process(std::int64_t rank) {
  std::ifstream cpuinfo("/proc/cpuinfo");
  auto cpu = parse_cpuinfo(cpuinfo);
  utsname system{};
  if (::uname(&system) == 0 && cpu.model.empty()) {
    cpu.model = system.machine;
  }
  RankRow row;
  row.rank = rank;
  row.host = std::string_view(system.nodename);
  row.cpu = std::string_view(cpu.model);
  row.isa = name_of(selected_isa());
  row.cpu_features = std::string_view(cpu.features);
  row.binding = std::string_view(format_cpu_list(allowed_cpus()));
  const NodeTopology node = node_topology();
  row.packages = node.packages;
  row.cores = node.cores;
  row.numa_nodes = node.numa_nodes;
  row.numa_binding = std::string_view(format_cpu_list(allowed_numa_nodes()));
  row.core_binding = std::string_view(format_cpu_list(allowed_cores()));
  row.caches = std::string_view(node.caches);
  row.device = "host";
  row.network = std::string_view(network_devices());
  row.pid = ::getpid();
  return row;
}

}  // namespace ringworld
