#include <gtest/gtest.h>

#include "core/error.hpp"
#include "experiments/attention/point.hpp"

namespace ringworld {
namespace {

TEST(SweepPoints, AreTheProductOfTheLists) {
  SweepOptions values;
  values.context_length = {1024, 2048};
  values.ranks = {1, 2};
  values.layout = {"contiguous", "zigzag"};
  EXPECT_EQ(make_points(values, 4).size(), 8U);
}

TEST(SweepPoints, ThatDifferOnlyInTheRotationOfAForwardPassAppearOnce) {
  SweepOptions values;
  values.backward_rotation = {"kv", "q"};
  values.pass = {"forward", "backward"};
  EXPECT_EQ(make_points(values, 2).size(), 3U);
}

TEST(SweepPoints, RunRingSizesInnermost) {
  SweepOptions values;
  values.context_length = {1024, 2048};
  values.ranks = {1, 2};
  const std::vector<SweepPoint> points = make_points(values, 2);
  EXPECT_EQ(points[0].ranks, 1);
  EXPECT_EQ(points[1].ranks, 2);
  EXPECT_EQ(points[1].plan.problem.context_length, 1024);
}

TEST(SweepPoints, ThatCannotRunAreRefusedBeforeAnythingRuns) {
  const auto refuses = [](auto&& change) {
    SweepOptions values;
    change(values);
    EXPECT_THROW((void)make_points(values, 2), Error);
  };
  refuses([](SweepOptions& values) { values.ranks = {4}; });
  refuses([](SweepOptions& values) { values.head_size = {64, 65}; });
  refuses([](SweepOptions& values) { values.kv_heads = {3}; });
  refuses([](SweepOptions& values) { values.backend = {"host", "cuda"}; });
  refuses([](SweepOptions& values) { values.layout = {"zigzack"}; });
  refuses([](SweepOptions& values) { values.context_length = {0}; });
  refuses([](SweepOptions& values) { values.repeats = 0; });
}

TEST(SweepPoints, AreToldApartByEveryParameter) {
  SweepOptions values;
  values.context_length = {1024, 2048};
  values.layout = {"contiguous", "striped"};
  values.dtype = {"float32", "bfloat16"};
  values.pass = {"forward", "backward"};
  values.polling = {true, false};
  values.threads = {1, 2};
  const std::vector<SweepPoint> points = make_points(values, 1);
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (std::size_t j = 0; j < points.size(); ++j) {
      EXPECT_EQ(is_same_point(describe_point(points[i], 1), describe_point(points[j], 1)), i == j);
    }
  }
  EXPECT_FALSE(is_same_point(describe_point(points[0], 1), describe_point(points[0], 2)));
}

}  // namespace
}  // namespace ringworld
