#include "comm/environment.hpp"

#include <gtest/gtest.h>

namespace ringworld::test {
namespace {

TEST(Environment, NamesTheLibrary) {
  const std::string version = Environment::library_version();
  EXPECT_FALSE(version.empty());
  EXPECT_EQ(version.find('\0'), std::string::npos);
}

}  // namespace
}  // namespace ringworld::test
