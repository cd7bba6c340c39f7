#include "core/isa.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <string>

#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

/// Sets RINGWORLD_ISA, or removes it, until the end of the scope.
class ScopedIsa {
 public:
  explicit ScopedIsa(const char* value) {
    if (const char* before = std::getenv(variable)) {
      before_ = before;
    }
    assign(value);
  }
  ScopedIsa(const ScopedIsa&) = delete;
  ScopedIsa& operator=(const ScopedIsa&) = delete;
  ~ScopedIsa() { assign(before_ ? before_->c_str() : nullptr); }

 private:
  static constexpr const char* variable = "RINGWORLD_ISA";

  static void assign(const char* value) {
    if (value == nullptr) {
      unsetenv(variable);
    } else {
      setenv(variable, value, 1);
    }
  }

  std::optional<std::string> before_;
};

TEST(Isa, TheBestOneIsSelectedUnlessAnotherIsAskedFor) {
  const ScopedIsa unset(nullptr);
  EXPECT_EQ(selected_isa(), best_isa());
}

TEST(Isa, TheEnvironmentSelectsAnyOneThatTheProcessorHas) {
  for (const Isa isa : {Isa::portable, Isa::avx2, Isa::avx512}) {
    const std::string name(name_of(isa));
    const ScopedIsa asked(name.c_str());
    if (isa <= best_isa()) {
      EXPECT_EQ(selected_isa(), isa);
    } else {
      expect_error(ErrorKind::bad_input, [] { static_cast<void>(selected_isa()); }, {name, name_of(best_isa())});
    }
  }
}

TEST(Isa, DotProductsOfBf16PairsNeedAvx512) {
  EXPECT_FALSE(has_bf16_dot_product(Isa::portable));
  EXPECT_FALSE(has_bf16_dot_product(Isa::avx2));
  for (const Isa isa : {Isa::portable, Isa::avx2, Isa::avx512}) {
    if (isa <= best_isa()) {
      const ScopedIsa asked(std::string(name_of(isa)).c_str());
      EXPECT_EQ(has_bf16_dot_product(), has_bf16_dot_product(isa)) << name_of(isa);
    }
  }
}

TEST(Isa, UnknownNamesAreErrorsThatNameTheNearest) {
  for (const char* name : {"avx", "AVX2", "avx-512", "", "sse"}) {
    const ScopedIsa asked(name);
    expect_error(ErrorKind::bad_input, [] { static_cast<void>(selected_isa()); }, {"RINGWORLD_ISA", name, "avx2"});
  }
  const ScopedIsa asked("avx51");
  expect_error(ErrorKind::bad_input, [] { static_cast<void>(selected_isa()); }, {"did you mean 'avx512'"});
}

}  // namespace
}  // namespace ringworld::test
