#include <gtest/gtest.h>

#include <limits>

#include "io/non_finite.hpp"

namespace ringworld {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan = std::numeric_limits<float>::quiet_NaN();

TEST(NonFiniteNumbers, AreCountedOverRanksAndTheFirstIsTheLowest) {
  const Communicator world = Communicator::world();
  NonFiniteNumbers found;
  // Every rank holds a row of (ranks, 3), the last number of which is infinite; the row of rank 0 has a NaN too.
  const std::vector<std::int64_t> shape{world.size(), 3};
  const std::vector<float> row{1, world.is_root() ? nan : 2, infinity};
  found.count("fine", shape, 0, {});
  found.count("v", shape, 3 * world.rank(), row);
  found.add_ranks(world);
  EXPECT_FALSE(found.is_empty());
  const std::string expected = std::to_string(world.size() + 1) + " numbers that are";
  EXPECT_EQ(found.to_string().find("fine"), std::string::npos);
  EXPECT_NE(found.to_string().find("'v' holds " + expected), std::string::npos) << found.to_string();
  EXPECT_TRUE(found.to_string().ends_with("the first at (0, 1)")) << found.to_string();
}

TEST(NonFiniteNumbers, KnowTheirPlaceInAStridedPart) {
  NonFiniteNumbers found;
  const std::vector<std::int64_t> shape{2, 8, 3};
  std::vector<float> values(12, 1.0F);
  found.count("k", shape, {.start = {0, 1, 0}, .count = {2, 2, 3}, .stride = {1, 4, 1}}, values);
  EXPECT_TRUE(found.is_empty());
  values[2 * 3 + 3 + 2] = -infinity;  // sequence 1, the second token of the part, number 2
  found.count("k", shape, {.start = {0, 1, 0}, .count = {2, 2, 3}, .stride = {1, 4, 1}}, values);
  EXPECT_TRUE(found.to_string().ends_with("the first at (1, 5, 2)")) << found.to_string();
}

}  // namespace
}  // namespace ringworld
