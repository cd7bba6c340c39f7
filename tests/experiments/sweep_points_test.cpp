#include <gtest/gtest.h>

#include <set>

#include "core/error.hpp"
#include "experiments/attention/point.hpp"
#include "io/row_keys.hpp"

namespace ringworld {
namespace {

TEST(SweepPoints, AreTheProductOfTheLists) {
  SweepOptions values;
  values.context_length = {1024, 2048};
  values.ranks = {1, 2};
  values.layout = {Layout::contiguous, Layout::zigzag};
  EXPECT_EQ(make_points(values, 4).size(), 8U);
}

TEST(SweepPoints, ThatDifferOnlyInTheRotationOfAForwardPassAppearOnce) {
  SweepOptions values;
  values.backward_rotation = {RotationChoice::kv, RotationChoice::q};
  values.pass = {AttentionPass::forward, AttentionPass::backward};
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
  refuses([](SweepOptions& values) { values.backend = {Backend::host, Backend::cuda}; });
  refuses([](SweepOptions& values) { values.context_length = {0}; });
  refuses([](SweepOptions& values) { values.repeats = 0; });
}

TEST(SweepPoints, AreToldApartByEveryParameter) {
  SweepOptions values;
  values.context_length = {1024, 2048};
  values.layout = {Layout::contiguous, Layout::striped};
  values.dtype = {DType::float32, DType::bfloat16};
  values.pass = {AttentionPass::forward, AttentionPass::backward};
  values.polling = {true, false};
  values.threads = {1, 2};
  const std::vector<SweepPoint> points = make_points(values, 1);
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (std::size_t j = 0; j < points.size(); ++j) {
      EXPECT_EQ(same_keys(describe_point(points[i], values), describe_point(points[j], values)), i == j);
    }
  }
  for (std::int64_t SweepOptions::* const number : {&SweepOptions::seed, &SweepOptions::repeats}) {
    SweepOptions changed = values;
    changed.*number += 1;
    EXPECT_FALSE(same_keys(describe_point(points[0], values), describe_point(points[0], changed)));
  }
}

TEST(SweepDevices, AreThoseWithMemoryOfTheirOwn) {
  SweepOptions values;
  values.backend = {Backend::host, Backend::reference};
  EXPECT_EQ(devices_of(values), std::set<DeviceKind>{});
  values.backend = {Backend::host, Backend::kokkos, Backend::kokkos};
  EXPECT_EQ(devices_of(values), std::set{DeviceKind::kokkos});
}

}  // namespace
}  // namespace ringworld
