#include "io/row_layout.hpp"

#include <gtest/gtest.h>

#include <cstddef>

#include "sample_row.hpp"

namespace ringworld {
namespace {

using test::SampleRow;

TEST(RowLayout, DescribesEveryFieldInOrder) {
  const auto layout = layout_of<SampleRow>();
  EXPECT_EQ(layout.path, "/group/samples");
  EXPECT_EQ(layout.row_size, static_cast<std::int64_t>(sizeof(SampleRow)));
  ASSERT_EQ(layout.columns.size(), 6U);
  EXPECT_EQ(layout.columns[1].name, "small");
  EXPECT_EQ(layout.columns[1].kind, ColumnKind::int32);
  EXPECT_EQ(layout.columns[1].offset, static_cast<std::int64_t>(offsetof(SampleRow, small)));
  EXPECT_EQ(layout.columns[2].kind, ColumnKind::text);
  EXPECT_EQ(layout.columns[2].size, 5);
  EXPECT_EQ(layout.columns[3].unit, "B");
  EXPECT_EQ(layout.columns[5].kind, ColumnKind::float64);
  EXPECT_EQ(layout.columns[5].offset, static_cast<std::int64_t>(offsetof(SampleRow, seconds)));
}

TEST(RowLayout, KeepsTheDefaultsOfTheRow) {
  const auto layout = layout_of<SampleRow>();
  std::int32_t small = 0;
  std::memcpy(&small, &layout.defaults[static_cast<std::size_t>(layout.columns[1].offset)], sizeof small);
  EXPECT_EQ(small, -1);
}

}  // namespace
}  // namespace ringworld
