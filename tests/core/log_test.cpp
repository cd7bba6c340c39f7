#include "core/log.hpp"

#include <gtest/gtest.h>

namespace ringworld::test {
namespace {

TEST(Log, WritesOneLineToStandardError) {
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  log_info("4 ranks");
  log_warning("no huge pages");
  log_error("{no} format string");
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "ringworld: 4 ranks\nringworld: warning: no huge pages\nringworld: error: {no} format string\n");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

}  // namespace
}  // namespace ringworld::test
