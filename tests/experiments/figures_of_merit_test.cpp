#include "experiments/common/figures_of_merit.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace ringworld::test {
namespace {

TEST(FigureOfMerit, IsALineOfWords) {
  EXPECT_EQ(describe({.name = "rate", .value = 1.5e12, .unit = "FLOP/s", .keys = {{"ranks", "2"}}, .is_valid = true}),
            "FOM rate 1.5e+12 FLOP/s ranks=2 valid=yes");
}

TEST(FigureOfMerit, HasNoBlanksInsideAWord) {
  EXPECT_EQ(
      describe(
          {.name = "a", .value = 0, .unit = "1", .keys = {{"energy", "not available"}, {"x", ""}}, .is_valid = false}),
      "FOM a 0 1 energy=not_available x=none valid=no");
}

TEST(FigureOfMerit, MayBeNoNumber) {
  EXPECT_EQ(describe({.name = "a", .value = std::numeric_limits<double>::quiet_NaN(), .unit = "s", .keys = {}}),
            "FOM a nan s valid=no");
}

}  // namespace
}  // namespace ringworld::test
