#include "core/topology.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace ringworld {
namespace {

/// What the kernel says, on machines that its small set is large enough for.
std::vector<int> kernel_cpus() {
  cpu_set_t mask{};
  EXPECT_EQ(::sched_getaffinity(0, sizeof mask, &mask), 0);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &mask)) {
      cpus.push_back(cpu);
    }
  }
  return cpus;
}

TEST(Topology, KnowsTheNode) {
  const NodeTopology node = node_topology();
  EXPECT_GE(node.packages, 1);
  EXPECT_GE(node.cores, node.packages);
  EXPECT_GE(node.numa_nodes, 1);
  EXPECT_LE(node.cores, ::sysconf(_SC_NPROCESSORS_CONF));
  EXPECT_EQ(node_topology().caches, node.caches);
}

TEST(Topology, KnowsWhereAThreadMayRun) {
  const std::vector<int> all = kernel_cpus();
  EXPECT_EQ(allowed_cpus(), all);
  EXPECT_TRUE(std::ranges::is_sorted(allowed_numa_nodes()));
  EXPECT_GE(allowed_numa_nodes().size(), 1U);
  // A thread of its own, so that the test's stays where it was.
  std::thread bound([&] {
    cpu_set_t one{};
    CPU_SET(all.back(), &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    EXPECT_EQ(allowed_cpus(), std::vector<int>{all.back()});
    EXPECT_EQ(allowed_numa_nodes().size(), 1U);
    EXPECT_EQ(allowed_cores().size(), 1U);
  });
  bound.join();
  EXPECT_EQ(allowed_cpus(), all);
}

}  // namespace
}  // namespace ringworld
