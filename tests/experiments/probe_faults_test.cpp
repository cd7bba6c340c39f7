/// @file  The probe sees every fault that is put into one rank, raises no false alarm, and gates the rows of a sweep.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

#include "core/random.hpp"
#include "experiments/attention/point.hpp"
#include "experiments/common/point_data.hpp"
#include "io/outcome.hpp"
#include "sequence/every_schedule.hpp"
#include "sequence/visibility.hpp"
#include "support/faulty_attention.hpp"

namespace ringworld {
namespace {

using test::Fault;
using test::FaultPlan;

/// The block that comes to a rank by one hop, in the pass at hand.
struct Target {
  int rank = -1;
  FaultPlan plan;
};

std::int64_t calls_with(const Partition& partition, int rank, int origin, bool do_keys_travel, bool is_causal) {
  return static_cast<std::int64_t>(do_keys_travel ? visible_block_pairs(partition, rank, origin, is_causal).size()
                                                  : visible_block_pairs(partition, origin, rank, is_causal).size());
}

/// The highest rank to which the first hop brings what it has to compute with.
Target target_of(const SequenceAttentionOptions& options, int ranks, Fault fault) {
  const bool do_keys_travel = !test::is_of_backward(fault) || options.backward_rotation == BackwardRotation::kv;
  const Partition partition(options.layout, options.problem.context_length, ranks);
  for (int rank = ranks - 1; rank >= 0; --rank) {
    const int origin = (rank + ranks - 1) % ranks;
    const std::int64_t calls = calls_with(partition, rank, origin, do_keys_travel, options.is_causal);
    if (calls > 0) {
      return {.rank = rank,
              .plan = {.fault = fault,
                       .own_calls = calls_with(partition, rank, rank, do_keys_travel, options.is_causal),
                       .visiting_calls = calls,
                       .do_keys_travel = do_keys_travel}};
    }
  }
  return {};
}

void put_fault(SequenceAttentionOptions& options, const Ring& ring, Fault fault) {
  const Target target = target_of(options, ring.size(), fault);
  ASSERT_GE(target.rank, 0);
  if (ring.rank() == target.rank) {
    options.make_kernel = [plan = target.plan](Backend backend, const BlockAttentionOptions& kernel) {
      return std::make_unique<test::FaultyAttention>(make_block_attention(backend, kernel), plan);
    };
  }
}

/// Schedules by which a rank meets its own block first, and that of the rank before it next: where faults are put.
std::vector<Schedule> schedules() {
  std::vector<Schedule> all{ScheduleKind::ring, ScheduleKind::all_gather, ScheduleKind::double_ring};
  SequenceAttentionOptions any;
  any.problem.heads = any.problem.kv_heads = 1;
  all.back() = test::fitted(all.back(), any, Communicator::world().size());
  return all;
}

std::vector<Fault> faults(bool of_backward) {
  std::vector<Fault> chosen;
  for (auto fault = Fault::block_missing; fault <= Fault::gradient_to_neighbour;
       fault = static_cast<Fault>(static_cast<int>(fault) + 1)) {
    if (test::is_of_backward(fault) == of_backward) {
      chosen.push_back(fault);
    }
  }
  return chosen;
}

/// Three key heads, so that each of the forms comb, near and stair has one.
SequenceAttentionOptions options_of(Layout layout, DType dtype) {
  return {.problem =
              {.context_length = 323, .heads = 6, .kv_heads = 3, .head_size = 32, .dtype = dtype, .wire_dtype = dtype},
          .layout = layout,
          .backward_rotation = BackwardRotation::kv};
}

template <class Function>
void for_each_layout_and_type(Function&& function) {
  for (const Schedule& schedule : schedules()) {
    for (const Layout layout : {Layout::contiguous, Layout::striped, Layout::zigzag}) {
      for (const DType dtype : {DType::float32, DType::bfloat16}) {
        SCOPED_TRACE(describe(schedule) + " " + std::string(name_of(layout)) + " " + std::string(name_of(dtype)));
        SequenceAttentionOptions options = options_of(layout, dtype);
        options.schedule = schedule;
        function(options);
      }
    }
  }
}

TEST(ProbeFaults, AreSeenInTheForwardPass) {
  const Ring ring(Communicator::world());
  if (ring.size() == 1) {
    GTEST_SKIP() << "one rank exchanges nothing";
  }
  for_each_layout_and_type([&](const SequenceAttentionOptions& right) {
    for (const Fault fault : faults(false)) {
      SCOPED_TRACE(test::name_of(fault));
      SequenceAttentionOptions options = right;
      options.pass = AttentionPass::forward;
      put_fault(options, ring, fault);
      PointData data(ring.communicator(), options, 5, InputKind::probe);
      data.attention().forward(data.forward());
      const ProbeVerdict verdict = data.check_probe_forward();
      EXPECT_GT(verdict.wrong_rows, 0);
      ASSERT_TRUE(verdict.first.has_value());
      const Target target = target_of(options, ring.size(), fault);
      EXPECT_EQ(verdict.first->rank, target.rank) << describe(*verdict.first);
      if (fault == Fault::block_missing || fault == Fault::key_missing) {
        EXPECT_EQ(verdict.first->fault, ProbeFault::missed) << describe(*verdict.first);
        EXPECT_EQ(verdict.first->hop, 1) << describe(*verdict.first);
        EXPECT_EQ(verdict.first->other_rank, (target.rank + ring.size() - 1) % ring.size());
      }
      if (fault == Fault::block_twice) {
        EXPECT_EQ(verdict.first->fault, ProbeFault::doubled) << describe(*verdict.first);
        EXPECT_EQ(verdict.first->hop, 1) << describe(*verdict.first);
      }
    }
  });
}

TEST(ProbeFaults, AreSeenInTheBackwardPassByEitherRotation) {
  const Ring ring(Communicator::world());
  if (ring.size() == 1) {
    GTEST_SKIP() << "one rank exchanges nothing";
  }
  for_each_layout_and_type([&](const SequenceAttentionOptions& right) {
    for (const BackwardRotation rotation : {BackwardRotation::kv, BackwardRotation::q}) {
      for (const Fault fault : faults(true)) {
        SCOPED_TRACE(std::string(test::name_of(fault)) + (rotation == BackwardRotation::kv ? " kv" : " q"));
        SequenceAttentionOptions options = right;
        options.backward_rotation = rotation;
        put_fault(options, ring, fault);
        PointData data(ring.communicator(), options, 5, InputKind::probe);
        data.attention().forward(data.forward());
        data.attention().backward(data.backward());
        EXPECT_TRUE(data.check_probe_forward().is_right());
        const ProbeVerdict verdict = data.check_probe_backward();
        EXPECT_GT(verdict.wrong_rows, 0);
      }
    }
  });
}

/// How many seeded problems are run; a soak test asks for more.
std::uint64_t runs() {
  const char* wanted = std::getenv("RINGWORLD_PROBE_RUNS");
  return wanted == nullptr ? 25 : std::strtoull(wanted, nullptr, 10);
}

TEST(Probe, RaisesNoFalseAlarm) {
  const Ring ring(Communicator::world());
  for (std::uint64_t seed = 1; seed <= runs(); ++seed) {
    const CounterRng rng(seed, 1);
    const auto draw = [&](std::uint64_t index, auto... choices) {
      const std::array all{choices...};
      return all[rng.integer(index, all.size())];
    };
    SequenceAttentionOptions options;
    AttentionProblem& problem = options.problem;
    problem.context_length = 1 + static_cast<std::int64_t>(rng.integer(0, 400));
    problem.batch = draw(1, 1, 2);
    problem.kv_heads = draw(2, 1, 2, 3, 4, 5);
    problem.heads = problem.kv_heads * draw(3, 1, 2);
    problem.head_size = draw(4, 16, 32, 64, 100, 256);
    problem.dtype = draw(5, DType::float32, DType::bfloat16);
    problem.wire_dtype = draw(6, DType::float32, DType::bfloat16);
    options.layout = draw(7, Layout::contiguous, Layout::striped, Layout::zigzag);
    options.backward_rotation = draw(8, BackwardRotation::kv, BackwardRotation::q);
    options.is_causal = draw(9, true, true, false);
    const std::vector<Schedule> all = test::every_schedule();
    options.schedule = test::fitted(all[rng.integer(10, all.size())], options, ring.size());
    PointData data(ring.communicator(), options, seed, InputKind::probe);
    data.attention().forward(data.forward());
    data.attention().backward(data.backward());
    const ProbeVerdict verdict = data.check_probe();
    EXPECT_TRUE(verdict.is_right()) << "seed " << seed << ", " << verdict.wrong_rows << " of " << verdict.rows << ": "
                                    << (verdict.first.has_value() ? describe(*verdict.first) : "");
    EXPECT_EQ(verdict.rows, problem.batch * problem.context_length * (2 * problem.heads + problem.kv_heads));
  }
}

/// Sums of integers are exact in any order: what is left is the rounding of one quotient.
TEST(Probe, CountsKeysExactly) {
  const Ring ring(Communicator::world());
  SequenceAttentionOptions options = options_of(Layout::zigzag, DType::float32);
  options.problem.heads = options.problem.kv_heads = 1;
  PointData data(ring.communicator(), options, 3, InputKind::probe);
  data.attention().forward(data.forward());
  const TensorView<float, 3> sum = data.forward().sum;
  const auto out = data.forward().out.as<float>();
  for (std::int64_t t = 0; t < sum.shape[2]; ++t) {
    const float count = std::round(sum(0, 0, t));
    EXPECT_EQ(data.forward().maximum(0, 0, t), 0);
    EXPECT_EQ(sum(0, 0, t), count);
    for (std::int64_t d = 0; d < 32; ++d) {
      const float value = std::round(out(0, t, 0, d) * count);
      EXPECT_NEAR(out(0, t, 0, d), value / count, 1e-6F);
      EXPECT_LE(value, 7);
    }
  }
}

/// Rows whose exchange was faulty are never valid, whatever the inputs of the timed passes.
TEST(AttentionRows, AreNotValidWithAFault) {
  const Communicator world = Communicator::world();
  if (world.size() == 1 || world.size() > 4) {
    GTEST_SKIP() << "for rings of 2 to 4: rows say what the probe says, which larger rings test above";
  }
  SweepOptions values;
  values.warmup = 0;
  values.repeats = 1;
  const MeasuredPeak peak{.flops_per_second = 1e9};
  for_each_layout_and_type([&](const SequenceAttentionOptions& right) {
    for (const bool of_backward : {false, true}) {
      for (const Fault fault : faults(of_backward)) {
        SCOPED_TRACE(test::name_of(fault));
        SweepPoint point{.ranks = world.size(), .nodes = {}, .plan = right};
        point.plan.problem.context_length = 512;
        point.plan.pass = of_backward ? AttentionPass::forward_backward : AttentionPass::forward;
        put_fault(point.plan, Ring(world), fault);
        const PointResult result = run_point(world, point, values, peak);
        if (world.is_root()) {
          EXPECT_FALSE(result.row.valid);
          EXPECT_EQ(outcome_of(result.row), Outcome::failed_check) << result.row.reason.view();
          EXPECT_GT(result.row.probe_wrong_rows, 0);
          EXPECT_FALSE(result.row.probe_first_wrong.view().empty());
        }
      }
    }
    SweepPoint point{.ranks = world.size(), .nodes = {}, .plan = right};
    for (const InputKind inputs : {InputKind::random, InputKind::probe}) {
      point.inputs = inputs;
      const PointResult result = run_point(world, point, values, peak);
      if (world.is_root()) {
        EXPECT_TRUE(result.row.valid) << result.row.reason.view();
        EXPECT_GT(result.row.probe_rows, 0);
        EXPECT_EQ(result.row.inputs.view(), name_of(inputs));
      }
    }
  });
}

}  // namespace
}  // namespace ringworld
