#pragma once
/// @file  Runs a test on every instruction set of this CPU and both types of activations.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/dtype.hpp"
#include "core/error.hpp"
#include "core/isa.hpp"
#include "kernels/attention/tolerance.hpp"
#include "kernels/row/parallel.hpp"

namespace ringworld::test {

/// One run of a test.
struct IsaCase {
  Isa isa;
  DType dtype;
};

[[nodiscard]] inline std::vector<IsaCase> isa_cases() {
  std::vector<IsaCase> cases;
  for (const Isa isa : {Isa::portable, Isa::avx2, Isa::avx512}) {
    for (const DType dtype : {DType::float32, DType::bfloat16}) {
      if (isa <= best_isa()) {
        cases.push_back({isa, dtype});
      }
    }
  }
  return cases;
}

[[nodiscard]] inline std::string isa_case_name(const testing::TestParamInfo<IsaCase>& info) {
  return std::string(name_of(info.param.isa)) + "_" + std::string(name_of(info.param.dtype));
}

/// Forces the instruction set of kernels that are made in the test; skips the test where Kokkos is not built.
class IsaTest : public testing::TestWithParam<IsaCase> {
 protected:
  void SetUp() override {
    try {
      row::for_each_range("ringworld::test", 1, 1, [](std::int64_t /*begin*/, std::int64_t /*end*/) {});
    } catch (const Error& error) {
      GTEST_SKIP() << error.what();
    }
    setenv("RINGWORLD_ISA", std::string(name_of(GetParam().isa)).c_str(), 1);
  }
  void TearDown() override { unsetenv("RINGWORLD_ISA"); }

  [[nodiscard]] static DType dtype() { return GetParam().dtype; }

  /// Of results that are written as activations. Exact inputs, fp32 arithmetic, one rounding at the end.
  [[nodiscard]] static Tolerance rounded_tolerance() {
    return dtype() == DType::float32 ? row_in_fp32 : rounded_to_bf16;
  }

  /// Row functions in fp32 against double: a handful of roundings of 6e-8 and an exponential good to 2.5e-7.
  static constexpr Tolerance row_in_fp32{.rms = 1e-6, .largest = 4e-6};
};

}  // namespace ringworld::test
