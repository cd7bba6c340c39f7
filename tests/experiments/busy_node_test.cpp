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

}  // namespace
}  // namespace ringworld::test
