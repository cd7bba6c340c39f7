#pragma once
/// @file  Runs a test on every instruction set of this CPU, on Kokkos and on the GPU where there is one, and for both
/// types of activations.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/dtype.hpp"
#include "core/isa.hpp"
#include "device/backend.hpp"
#include "kernels/attention/tolerance.hpp"
#include "support/available_device.hpp"

namespace ringworld::test {

/// One run of a test.
struct BackendCase {
  Backend backend;
  Isa isa;  ///< of the host
  DType dtype;
};

/// The backend host on every instruction set.
[[nodiscard]] inline std::vector<BackendCase> isa_cases() {
  std::vector<BackendCase> cases;
  for (const Isa isa : {Isa::portable, Isa::avx2, Isa::avx512}) {
    for (const DType dtype : {DType::float32, DType::bfloat16}) {
      if (isa <= best_isa()) {
        cases.push_back({Backend::host, isa, dtype});
      }
    }
  }
  return cases;
}

/// The same, and the backends with memory of their own.
[[nodiscard]] inline std::vector<BackendCase> backend_cases() {
  std::vector<BackendCase> cases = isa_cases();
  for (const Backend backend : {Backend::kokkos, Backend::cuda}) {
    for (const DType dtype : {DType::float32, DType::bfloat16}) {
      cases.push_back({backend, Isa::portable, dtype});
    }
  }
  return cases;
}

/// Those of families that know one type only.
[[nodiscard]] inline std::vector<BackendCase> float32_backend_cases() {
  std::vector<BackendCase> cases = backend_cases();
  std::erase_if(cases, [](const BackendCase& run) { return run.dtype != DType::float32; });
  return cases;
}

[[nodiscard]] inline std::string backend_case_name(const testing::TestParamInfo<BackendCase>& info) {
  const BackendCase& run = info.param;
  const std::string_view where = run.backend == Backend::host ? name_of(run.isa) : name_of(run.backend);
  return std::string(where) + "_" + std::string(name_of(run.dtype));
}

/// Forces the instruction set of kernels that are made in the test; skips the test where its backend cannot run.
class BackendTest : public testing::TestWithParam<BackendCase> {
 protected:
  void SetUp() override {
    if (const std::string reason = why_unavailable(backend()); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
    setenv("RINGWORLD_ISA", std::string(name_of(GetParam().isa)).c_str(), 1);
  }
  void TearDown() override { unsetenv("RINGWORLD_ISA"); }

  [[nodiscard]] static Backend backend() { return GetParam().backend; }
  [[nodiscard]] static DType dtype() { return GetParam().dtype; }

  /// Of results that are written as activations. Exact inputs, fp32 arithmetic, one rounding at the end.
  [[nodiscard]] static Tolerance rounded_tolerance() {
    return dtype() == DType::float32 ? row_in_fp32 : rounded_to_bf16;
  }

  /// Row functions in fp32 against double: a handful of roundings of 6e-8 and an exponential good to 2.5e-7.
  static constexpr Tolerance row_in_fp32{.rms = 1e-6, .largest = 4e-6};
};

}  // namespace ringworld::test
