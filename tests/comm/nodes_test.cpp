/// @file  Nodes that the environment says, in the place of those that the ranks are on.

#include "comm/nodes.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "support/expect_error.hpp"

namespace ringworld {
namespace {

class Nodes : public ::testing::Test {
 protected:
  static void say(const char* ranks_per_node) { setenv("RINGWORLD_RANKS_PER_NODE", ranks_per_node, 1); }
  void TearDown() override { unsetenv("RINGWORLD_RANKS_PER_NODE"); }
};

TEST_F(Nodes, AreAsManyAsTheEnvironmentSays) {
  const Communicator world = Communicator::world();
  say("2");
  const std::vector<int> nodes = nodes_of(world);
  for (int rank = 0; rank < world.size(); ++rank) {
    EXPECT_EQ(nodes[static_cast<std::size_t>(rank)], rank - rank % 2);
  }
  EXPECT_EQ(nodes, nodes_of_equal_size(world.size(), 2));
}

/// Ranks of a part have numbers of their own, but the nodes of the job.
TEST_F(Nodes, OfAPartAreThoseOfTheJob) {
  const Communicator world = Communicator::world();
  say("2");
  const Communicator same_parity = world.split(world.rank() % 2, world.rank());
  const std::vector<int> nodes = nodes_of(same_parity);
  for (int rank = 0; rank < same_parity.size(); ++rank) {
    EXPECT_EQ(nodes[static_cast<std::size_t>(rank)], rank) << "every other rank has a node of its own";
  }
}

TEST_F(Nodes, OfRanksThatAreNotThereAreAsManyAsTheEnvironmentSays) {
  const Communicator ranks = Communicator::pretended(1, 8);
  EXPECT_EQ(ranks_per_node(nodes_of(ranks)), 1);
  say("4");
  EXPECT_EQ(ranks_per_node(nodes_of(ranks)), 4);
}

TEST_F(Nodes, AreNumbers) {
  for (const char* given : {"0", "-1", "two", "2x", ""}) {
    say(given);
    test::expect_error(ErrorKind::bad_input, [] { static_cast<void>(given_ranks_per_node()); });
  }
}

}  // namespace
}  // namespace ringworld
