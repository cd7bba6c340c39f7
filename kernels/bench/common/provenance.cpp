#include "kernels/bench/common/provenance.hpp"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <fstream>
#include <string>

#include "core/build_info.hpp"
#include "core/isa.hpp"

namespace ringworld::bench {
namespace {

/// As the operating system names it; empty where it does not (Arm).
std::string cpu_name() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  for (std::string line; std::getline(cpuinfo, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) {
      return line.substr(colon + 2);
    }
  }
  return {};
}

}  // namespace

void add_provenance(MeasuredRoofs& roofs) {
  const BuildInfo& build = build_info();
  benchmark::AddCustomContext("git_revision", std::string(build.git_revision));
  benchmark::AddCustomContext("git_is_dirty", build.git_is_dirty ? "true" : "false");
  benchmark::AddCustomContext("compiler", std::string(build.compiler));
  benchmark::AddCustomContext("compiler_flags", std::string(build.compiler_flags));
  benchmark::AddCustomContext("libraries", std::string(build.library_versions));
  benchmark::AddCustomContext("cpu", cpu_name());
  benchmark::AddCustomContext("isa", std::string(name_of(selected_isa())));
  benchmark::AddCustomContext("has_bf16_dot_product", has_bf16_dot_product() ? "true" : "false");
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    roofs.measure(dtype, 1);
    benchmark::AddCustomContext(fmt::format("peak_flops_per_second_{}", name_of(dtype)),
                                fmt::format("{:.6g}", roofs.fma(dtype, 1)));
  }
  benchmark::AddCustomContext("triad_bytes_per_second", fmt::format("{:.6g}", roofs.triad(1)));
}

}  // namespace ringworld::bench
