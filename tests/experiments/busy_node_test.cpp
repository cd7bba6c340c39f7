#include "experiments/common/busy_node.hpp"

#include <gtest/gtest.h>

namespace ringworld::test {
namespace {

TEST(BusyNode, TheKernelsCountIsRead) {
  EXPECT_EQ(running_threads("cpu  1 2\nprocesses 10\nprocs_running 3\nprocs_blocked 0\n"), 3);
  EXPECT_EQ(running_threads("procs_running 12"), 12);
}

TEST(BusyNode, AKernelThatDoesNotTellSaysNothing) {
  EXPECT_EQ(running_threads(""), std::nullopt);
  EXPECT_EQ(running_threads("procs_running \n"), std::nullopt);
}

TEST(BusyNode, OtherWorkThatHasCpusOfItsOwnDisturbsNobody) {
  EXPECT_FALSE(is_busy(0, 9, 2)) << "the threads of a job alone are no matter of others";
  EXPECT_FALSE(is_busy(1, 1, 2));
  EXPECT_FALSE(is_busy(2, 0, 2));
  EXPECT_TRUE(is_busy(1, 2, 2));
  EXPECT_TRUE(is_busy(3, 0, 2));
}

}  // namespace
}  // namespace ringworld::test
