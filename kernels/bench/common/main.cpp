/// @file  main of every benchmark program. Flags are Google Benchmark's: --benchmark_filter=REGEX, --benchmark_out=FILE,
/// --benchmark_repetitions=N, ... Exit codes: 0 ok, 1 something failed, 2 bad usage or input.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "core/error.hpp"
#include "kernels/bench/common/provenance.hpp"
#include "kernels/bench/common/suite.hpp"

namespace {

int run(int argc, char** argv) {
  namespace bench = ringworld::bench;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) {
    return 2;
  }
  bench::MeasuredRoofs roofs;
  bench::add_provenance(roofs);
  bench::Suite suite(roofs);
  bench::register_cases(suite);
  ringworld::require_input(benchmark::RunSpecifiedBenchmarks() > 0,
                           "--benchmark_filter matches no case; --benchmark_list_tests shows them");
  benchmark::Shutdown();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const ringworld::Error& error) {
    fmt::print(stderr, "{}: error: {}\n", argv[0], error.what());
    return error.exit_code();
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: error: {}\n", argv[0], error.what());
    return 1;
  }
}
