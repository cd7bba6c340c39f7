#include <gtest/gtest.h>

#include <set>

#include "core/error.hpp"
#include "experiments/attention/point.hpp"
#include "io/row_keys.hpp"

namespace ringworld {
namespace {

/// The points of a job on one node.
std::vector<SweepPoint> points_of(const SweepOptions& values, int ranks) {
  return make_points(values, std::vector<int>(static_cast<std::size_t>(ranks), 0)).points;
}

TEST(SweepPoints, AreTheProductOfTheLists) {
  SweepOptions values;
  values.context_length = {1024, 2048};
  values.ranks = {1, 2};
  values.layout = {Layout::contiguous, Layout::zigzag};
  EXPECT_EQ(points_of(values, 4).size(), 8U);
}

TEST(SweepPoints, ThatDifferOnlyInTheRotationOfAForwardPassAppearOnce) {
  SweepOptions values;
  values.backward_rotation = {RotationChoice::kv, RotationChoice::q};
  values.pass = {AttentionPass::forward, AttentionPass::backward};
  EXPECT_EQ(points_of(values, 2).size(), 3U);
}

TEST(SweepPoints, RunRingSizesInnermost) {
  SweepOptions values;
  values.context_length = {1024, 2048};
  values.ranks = {1, 2};
  const std::vector<SweepPoint> points = points_of(values, 2);
  EXPECT_EQ(points[0].ranks, 1);
  EXPECT_EQ(points[1].ranks, 2);
  EXPECT_EQ(points[1].plan.problem.context_length, 1024);
}

TEST(SweepPoints, ThatCannotRunAreRefusedBeforeAnythingRuns) {
  const auto refuses = [](auto&& change) {
    SweepOptions values;
    change(values);
    EXPECT_THROW((void)points_of(values, 2), Error);
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
  values.schedule = {ScheduleKind::all_gather};
  values.head_groups = {1, 2};
  const std::vector<SweepPoint> points = points_of(values, 1);
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (std::size_t j = 0; j < points.size(); ++j) {
      EXPECT_EQ(same_keys(describe_point(points[i], values), describe_point(points[j], values)), i == j);
    }
  }
  for (auto&& change :
       {+[](SweepOptions& changed) { changed.seed += 1; }, +[](SweepOptions& changed) { changed.repeats = 3; }}) {
    SweepOptions changed = values;
    change(changed);
    EXPECT_FALSE(same_keys(describe_point(points[0], values), describe_point(points[0], changed)));
  }
}

TEST(SweepPoints, LeaveOutWhatAScheduleDoesNotHave) {
  SweepOptions values;
  values.schedule = {ScheduleKind::ring, ScheduleKind::all_gather, ScheduleKind::double_ring};
  values.head_groups = {1, 4};
  values.window = {0, 1};
  values.trim = {false, true};
  const SweepPoints sweep = make_points(values, {0, 0, 2, 2});
  ASSERT_EQ(sweep.points.size(), 6U);  // ring, ring trimmed, all_gather 1 and 4, double ring of 2 and of 1
  EXPECT_EQ(sweep.left_out, 3 * 8 - 6);
  EXPECT_NE(sweep.first_of_left_out.find("--head-groups 4"), std::string::npos) << sweep.first_of_left_out;
  EXPECT_EQ(sweep.points[4].plan.schedule.window, 2) << "the ranks of a node";
  EXPECT_EQ(sweep.points[5].plan.schedule.window, 1);
}

TEST(SweepPoints, HaveEveryValueThatWasGiven) {
  const auto refusal_of = [](auto&& change) -> std::string {
    SweepOptions values;
    values.ulysses = {1, 2};
    change(values);
    try {
      static_cast<void>(points_of(values, 4));
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(refusal_of([](SweepOptions& values) { values.ranks = {1, 4}; }), "") << "ulysses 2 runs on 4 ranks";
  const std::string of_ulysses = refusal_of([](SweepOptions& values) { values.ulysses = {1, 3}; });
  EXPECT_EQ(of_ulysses.find("--schedule ring --ulysses 3: "), 0U) << of_ulysses;
  EXPECT_NE(of_ulysses.find("nearest that does is 2"), std::string::npos) << of_ulysses;
  EXPECT_EQ(refusal_of([](SweepOptions& values) { values.head_groups = {1, 2}; }), "") << "groups of an exchange";
  EXPECT_NE(refusal_of([](SweepOptions& values) {
              values.ulysses = {1};
              values.head_groups = {1, 2};
            }),
            "");
  EXPECT_NE(refusal_of([](SweepOptions& values) {
              values.trim = {false, true};
              values.layout = {Layout::striped};
            }),
            "");
  EXPECT_NE(refusal_of([](SweepOptions& values) {
              values.trim = {true};
              values.pass = {AttentionPass::backward};
              values.backward_rotation = {RotationChoice::q};
            }),
            "");
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
