/// @file  The probe sees every fault that is put into one rank, raises no false alarm, and gates the rows of a sweep.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <string>

#include "comm/nodes.hpp"
#include "core/random.hpp"
#include "experiments/attention/point.hpp"
#include "experiments/common/point_data.hpp"
#include "io/outcome.hpp"
#include "sequence/every_schedule.hpp"
#include "sequence/exchange_block.hpp"
#include "sequence/plan.hpp"
#include "sequence/visibility.hpp"
#include "support/faulty_attention.hpp"
#include "support/layouts.hpp"

namespace ringworld {
namespace {

using test::Fault;
using test::FaultPlan;

/// The rank that errs, and with what.
struct Target {
  int rank = -1;  ///< of the schedule: of an exchange of heads, of one ring
  FaultPlan plan;
};

/// Calls of a kernel in one pass of `rank`, with the queries of one rank and the keys of another.
std::int64_t calls_with(const SequenceAttentionOptions& options, const Plan& plan, const Partition& partition,
                        int queries_of, int keys_of) {
  std::int64_t calls = 0;
  for (const BlockTask& task : plan.tasks) {
    if (task.queries.origin == queries_of && task.keys.origin == keys_of) {
      calls += std::ssize(visible_block_pairs(partition, task.queries, task.keys, options.is_causal));
    }
  }
  return calls;
}

/// The queries of the highest rank that sees keys of the rank before it, and those keys. An exchange of all heads
/// leaves one rank, with its own.
Target target_of(const SequenceAttentionOptions& options, int ranks, Fault fault) {
  const Schedule rings = schedule_of_rings(options.schedule);
  const Partition partition =
      partition_of_rings(Partition(options.layout, options.problem.context_length, ranks, options.schedule.ulysses));
  const int size = ranks / options.schedule.ulysses;
  const AttentionPass pass = test::is_of_backward(fault) ? AttentionPass::backward : AttentionPass::forward;
  for (int queries_of = size - 1; queries_of >= 0; --queries_of) {
    const int previous = (queries_of + size - 1) % size;
    const bool do_keys_travel = make_plan(rings, pass, *options.backward_rotation, size, 0).do_keys_travel();
    // States of queries that travel meet where they come home.
    const bool is_of_own = fault == Fault::mask_off_by_one || test::is_of_exchange(fault) ||
                           (fault == Fault::no_rescaling && !do_keys_travel);
    const int rank = do_keys_travel || is_of_own ? queries_of : previous;
    const Plan plan = make_plan(rings, pass, *options.backward_rotation, size, rank);
    const int keys_of = is_of_own ? queries_of : previous;
    if (visible_block_pairs(partition, queries_of, previous, options.is_causal).empty()) {
      continue;
    }
    return {
        .rank = rank,
        .plan = {.fault = fault,
                 .queries_of = queries_of,
                 .keys_of = keys_of,
                 .calls = calls_with(options, plan, partition, queries_of, keys_of),
                 .do_keys_travel = do_keys_travel,
                 .exchanged = Partition(options.layout, options.problem.context_length, ranks, options.schedule.ulysses)
                                  .tokens(queries_of * options.schedule.ulysses)}};
  }
  return {};
}

/// One rank errs: of an exchange of heads, the last of some neighbours.
void put_fault(SequenceAttentionOptions& options, const Ring& ring, Fault fault) {
  const Target target = target_of(options, ring.size(), fault);
  ASSERT_GE(target.rank, 0);
  ASSERT_GT(target.plan.calls, 0);
  if (ring.rank() == (target.rank + 1) * options.schedule.ulysses - 1) {
    test::put_fault(options, target.plan);
  }
}

/// Whether a fault can change a result of this schedule on so many ranks.
bool can_happen(Fault fault, const Schedule& schedule, int ranks) {
  if (test::is_of_exchange(fault)) {
    return schedule.ulysses > 1;
  }
  const bool do_keys_stay = schedule.kind == ScheduleKind::pass_q || schedule.kind == ScheduleKind::broadcast_queries;
  if (fault == Fault::values_of_another_block && do_keys_stay) {
    return false;  // no values travel
  }
  const bool is_of_two_blocks = fault == Fault::block_twice || fault == Fault::stale_block ||
                                fault == Fault::values_of_another_block || fault == Fault::no_rescaling ||
                                fault == Fault::gradient_to_neighbour;
  return ranks / schedule.ulysses > 1 || !is_of_two_blocks;
}

std::vector<Fault> faults(bool of_backward, const Schedule& schedule, int ranks) {
  std::vector<Fault> chosen;
  for (int index = 1; index < test::fault_count; ++index) {
    const auto fault = static_cast<Fault>(index);
    if (test::is_of_backward(fault) == of_backward && can_happen(fault, schedule, ranks)) {
      chosen.push_back(fault);
    }
  }
  return chosen;
}

/// Four key heads in each message: one of each form of the probe.
SequenceAttentionOptions options_of(const Schedule& schedule, Layout layout, DType dtype) {
  const std::int64_t heads = 4 * schedule.ulysses * schedule.head_groups;
  const std::int64_t queries_of_a_key = schedule.ulysses == 1 ? 2 : 1;
  return {.problem = {.context_length = 323,
                      .heads = queries_of_a_key * heads,
                      .kv_heads = heads,
                      .head_size = 32,
                      .dtype = dtype,
                      .wire_dtype = dtype},
          .schedule = schedule,
          .layout = layout,
          .backward_rotation = BackwardRotation::kv};
}

/// The schedule that so many ranks make of this one in a layout; none, if that is another schedule.
std::optional<Schedule> schedule_in(const Schedule& listed, Layout layout, int ranks) {
  const Schedule schedule = test::fitted(listed, options_of(listed, layout, DType::float32), ranks);
  return test::is_tested_elsewhere(listed, schedule) ? std::nullopt : std::optional(schedule);
}

/// Calls `function(options, fault)` for every schedule with every fault that can happen to it: by the ring, trimmed or
/// not, in all its layouts; by every other schedule in one layout a fault, and layouts take turns. Types take turns
/// too.
template <class Function>
void for_each_fault(int ranks, bool of_backward, const Function& function) {
  std::size_t turn = 0;
  for (const Schedule& listed : test::every_schedule()) {
    ++turn;
    for (std::size_t layout = 0; layout < test::layouts.size(); ++layout) {
      const std::optional<Schedule> schedule = schedule_in(listed, test::layouts[layout], ranks);
      if (!schedule.has_value()) {
        continue;
      }
      const std::vector<Fault> all = faults(of_backward, *schedule, ranks);
      const bool is_in_all_layouts = *schedule == Schedule() || schedule->is_trimmed;
      for (std::size_t index = 0; index < all.size(); ++index) {
        if (!is_in_all_layouts && (turn + index) % test::layouts.size() != layout) {
          continue;
        }
        const DType dtype = (turn + layout + index) % 2 == 0 ? DType::float32 : DType::bfloat16;
        SCOPED_TRACE(fmt::format("{} {} {} {}", describe(*schedule), name_of(test::layouts[layout]), name_of(dtype),
                                 test::name_of(all[index])));
        function(options_of(*schedule, test::layouts[layout], dtype), all[index]);
      }
    }
  }
}

TEST(ProbeFaults, AreSeenInTheForwardPass) {
  const Ring ring(Communicator::world());
  if (ring.size() == 1) {
    GTEST_SKIP() << "one rank exchanges nothing";
  }
  for_each_fault(ring.size(), false, [&](SequenceAttentionOptions options, Fault fault) {
    options.pass = AttentionPass::forward;
    put_fault(options, ring, fault);
    PointData data(ring.communicator(), options, 5, InputKind::probe);
    data.attention().forward(data.forward());
    const ProbeVerdict verdict = data.check_probe_forward();
    EXPECT_GT(verdict.wrong_rows, 0);
    ASSERT_TRUE(verdict.first.has_value());
    const Target target = target_of(options, ring.size(), fault);
    const int ulysses = options.schedule.ulysses;
    const int rings = ring.size() / ulysses;
    // The largest maximum that states overlook may be that of any rank's queries.
    if (fault != Fault::no_rescaling || target.plan.do_keys_travel) {
      EXPECT_EQ(verdict.first->rank / ulysses, target.plan.queries_of) << describe(*verdict.first);
    }
    const auto expect_origin = [&](ProbeFault found) {
      EXPECT_EQ(verdict.first->fault, found) << describe(*verdict.first);
      EXPECT_EQ(verdict.first->other_rank / ulysses, target.plan.keys_of) << describe(*verdict.first);
      EXPECT_EQ(verdict.first->hop, ulysses == 1 && rings > 1 ? 1 : verdict.first->hop) << describe(*verdict.first);
    };
    if (fault == Fault::block_missing || fault == Fault::key_missing) {
      expect_origin(ProbeFault::missed);
    }
    if (fault == Fault::block_twice) {
      expect_origin(ProbeFault::doubled);
    }
  });
}

TEST(ProbeFaults, AreSeenInTheBackwardPassByEitherRotation) {
  const Ring ring(Communicator::world());
  if (ring.size() == 1) {
    GTEST_SKIP() << "one rank exchanges nothing";
  }
  for_each_fault(ring.size(), true, [&](SequenceAttentionOptions options, Fault fault) {
    for (const BackwardRotation rotation : {BackwardRotation::kv, BackwardRotation::q}) {
      if (options.schedule.is_trimmed && rotation == BackwardRotation::q) {
        continue;  // a trimmed ring moves keys
      }
      SequenceAttentionOptions faulty = options;
      faulty.backward_rotation = rotation;
      put_fault(faulty, ring, fault);
      PointData data(ring.communicator(), faulty, 5, InputKind::probe);
      data.attention().forward(data.forward());
      data.attention().backward(data.backward());
      EXPECT_TRUE(data.check_probe_forward().is_right());
      EXPECT_GT(data.check_probe_backward().wrong_rows, 0) << (rotation == BackwardRotation::kv ? "kv" : "q");
    }
  });
}

/// How many seeded problems are run, the schedules taking turns; a soak test asks for more.
std::uint64_t runs() {
  const char* wanted = std::getenv("RINGWORLD_PROBE_RUNS");
  return wanted == nullptr ? 33 : std::strtoull(wanted, nullptr, 10);
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
    const Schedule& listed = all[seed % all.size()];
    if (listed.is_trimmed) {
      options.layout = Layout::zigzag;
      options.backward_rotation = BackwardRotation::kv;
      options.is_causal = true;
    }
    if (listed.ulysses > 1) {
      problem.kv_heads = 4;
      problem.heads = problem.kv_heads * draw(3, 1, 2);
    }
    options.schedule = test::fitted(listed, options, ring.size());
    SCOPED_TRACE(describe(options.schedule));
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
  SequenceAttentionOptions options = options_of(ScheduleKind::ring, Layout::zigzag, DType::float32);
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

/// Rows whose exchange was faulty are never valid, whatever the inputs of the timed passes. The ring has all faults,
/// every other schedule one a pass: that they are seen is tested above.
TEST(AttentionRows, AreNotValidWithAFault) {
  const Communicator world = Communicator::world();
  if (world.size() == 1 || world.size() > 4) {
    GTEST_SKIP() << "for rings of 2 to 4: rows say what the probe says, which larger rings test above";
  }
  SweepOptions values;
  values.warmup = 0;
  values.repeats = 1;
  const MeasuredPeak peak{.flops_per_second = 1e9};
  for (const Schedule& listed : test::every_schedule()) {
    const std::optional<Schedule> schedule = schedule_in(listed, Layout::zigzag, world.size());
    if (!schedule.has_value() || schedule->ulysses > 1) {
      continue;  // many heads: what the probe says of them is tested above
    }
    SCOPED_TRACE(describe(*schedule));
    const SequenceAttentionOptions right = options_of(*schedule, Layout::zigzag, DType::float32);
    for (const bool of_backward : {false, true}) {
      std::vector<Fault> all = faults(of_backward, *schedule, world.size());
      all.resize(*schedule == Schedule() ? all.size() : 1);
      for (const Fault fault : all) {
        SCOPED_TRACE(test::name_of(fault));
        SweepPoint point{.ranks = world.size(), .nodes = nodes_of(world), .simulation = nullptr, .plan = right};
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
    SweepPoint point{.ranks = world.size(), .nodes = nodes_of(world), .simulation = nullptr, .plan = right};
    for (const InputKind inputs : {InputKind::random, InputKind::probe}) {
      point.inputs = inputs;
      const PointResult result = run_point(world, point, values, peak);
      if (world.is_root()) {
        EXPECT_TRUE(result.row.valid) << result.row.reason.view();
        EXPECT_GT(result.row.probe_rows, 0);
        EXPECT_EQ(result.row.inputs.view(), name_of(inputs));
      }
    }
  }
}

}  // namespace
}  // namespace ringworld
