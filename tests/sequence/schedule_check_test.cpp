/// @file  The window that a double ring takes from the nodes of its ranks.

#include "sequence/schedule_check.hpp"

#include <gtest/gtest.h>

#include "comm/nodes.hpp"
#include "support/expect_error.hpp"

namespace ringworld {
namespace {

Schedule double_ring(int ulysses) {
  Schedule schedule(ScheduleKind::double_ring);
  schedule.ulysses = ulysses;
  return schedule;
}

TEST(WindowOfNodes, IsTheRanksOfANodeThatAreLeftByAnExchange) {
  const std::vector<int> nodes = nodes_of_equal_size(24, 4);
  EXPECT_EQ(with_window(double_ring(1), nodes).window, 4);
  EXPECT_EQ(with_window(double_ring(2), nodes).window, 2);
  EXPECT_EQ(with_window(double_ring(4), nodes).window, 1);
  EXPECT_EQ(with_window(double_ring(8), nodes).window, 1) << "neighbours that fill two nodes";
}

TEST(WindowOfNodes, IsNotChangedWhereOneIsGivenOrNoneIsNeeded) {
  Schedule given = double_ring(1);
  given.window = 3;
  EXPECT_EQ(with_window(given, nodes_of_equal_size(24, 4)), given);
  EXPECT_EQ(with_window(ScheduleKind::ring, nodes_of_equal_size(24, 4)), Schedule());
}

TEST(WindowOfNodes, HasToBeGivenWhereNodesDoNotSayIt) {
  test::expect_error(ErrorKind::bad_input,
                     [] { static_cast<void>(with_window(double_ring(3), nodes_of_equal_size(24, 4))); },
                     {"4 ranks of a node", "ulysses 3", "a divisor of 8"});
  for (const std::vector<int>& nodes : {std::vector{0, 0, 0, 3}, std::vector{0, 1, 0, 1}}) {
    test::expect_error(ErrorKind::bad_input, [&] { static_cast<void>(with_window(double_ring(2), nodes)); },
                       {"4 ranks", "not spread evenly", "a divisor of 2"});
  }
}

}  // namespace
}  // namespace ringworld
