#include <gtest/gtest.h>

#include "core/topology.hpp"

namespace ringworld {
namespace {

TEST(Topology, IsNotKnownWithoutHwloc) {
  EXPECT_EQ(node_topology().packages, 0);
  EXPECT_TRUE(node_topology().caches.empty());
  EXPECT_TRUE(allowed_cpus().empty());
  EXPECT_TRUE(allowed_numa_nodes().empty());
}

}  // namespace
}  // namespace ringworld
