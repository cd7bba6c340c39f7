#include "tasks/vision/packing.hpp"

#include <gtest/gtest.h>

namespace ringworld::test {
namespace {

using Lists = std::vector<std::vector<std::int64_t>>;

TEST(Packing, WholeCyclesThenWhatStillFits) {
  // Two cycles of 3 + 5 in rows of 11 tokens; of the third one document of 5 fits.
  const PackingPlan plan =
      pack_cycles(VisionPacking::masked, std::vector<std::int64_t>{3, 5}, {.context_length = 10}, 2);
  EXPECT_EQ(plan.rows, 2);
  EXPECT_EQ(plan.lists, (Lists{{1, 0, 2}, {3, 5}}));
}

TEST(Packing, ARowIsOneTokenLongerThanItsContext) {
  EXPECT_EQ(pack_cycles(VisionPacking::masked, std::vector<std::int64_t>{25}, {.context_length = 24}, 1).lists,
            (Lists{{0}}));
  EXPECT_EQ(pack_cycles(VisionPacking::masked, std::vector<std::int64_t>{26}, {.context_length = 24}, 1).rows, 0);
}

TEST(Packing, SaysHowManyRowsACycleNeeds) {
  const std::vector<std::int64_t> lengths{5, 5, 5};
  EXPECT_EQ(pack_cycles(VisionPacking::masked, lengths, {.context_length = 10}, 1).rows, 0);
  EXPECT_EQ(rows_of_cycle(VisionPacking::masked, lengths, {.context_length = 10}), 2);
  EXPECT_EQ(rows_of_cycle(VisionPacking::pad, lengths, {.context_length = 10}), 3);
}

TEST(Packing, PadHasADocumentARow) {
  EXPECT_EQ(pack_cycles(VisionPacking::pad, std::vector<std::int64_t>{4, 9}, {.context_length = 8}, 3).lists,
            (Lists{{1}, {0}, {3}}));
}

TEST(Packing, NaiveFillsAStream) {
  const PackingPlan plan = pack_cycles(VisionPacking::naive, std::vector<std::int64_t>{4, 5}, {.context_length = 6}, 2);
  ASSERT_EQ(plan.lists.size(), 1U);
  EXPECT_EQ(plan.lists[0], (std::vector<std::int64_t>{1, 0, 3})) << "13 tokens and the last target are needed";
  EXPECT_EQ(plan.rows, 2);
}

TEST(Packing, AFileIsPackedInOrder) {
  const std::vector<std::int64_t> lengths{3, 4, 2, 6, 1};
  const RowShape row{.context_length = 8};
  EXPECT_EQ(pack_in_order(VisionPacking::masked, lengths, row).lists, (Lists{{0, 1, 2}, {3, 4}}));
  EXPECT_EQ(pack_in_order(VisionPacking::pad, lengths, row).lists, (Lists{{0}, {1}, {2}, {3}, {4}}));
  const PackingPlan naive = pack_in_order(VisionPacking::naive, lengths, row);
  EXPECT_EQ(naive.lists, (Lists{{0, 1, 2, 3, 4}}));
  EXPECT_EQ(naive.rows, 1) << "16 tokens: one row of 8 and its last target; the second lacks one";
}

}  // namespace
}  // namespace ringworld::test
