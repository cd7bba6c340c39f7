/// @file  What a plan promises besides the numbers: messages, memory, determinism, deadlines, refusals.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/clock.hpp"
#include "sequence/every_schedule.hpp"
#include "sequence/plan_cost.hpp"
#include "sequence/sequence_problem.hpp"
#include "support/expect_error.hpp"
#include "support/layouts.hpp"

namespace ringworld::test {
namespace {

constexpr std::array rotations{BackwardRotation::kv, BackwardRotation::q};
constexpr double never = std::numeric_limits<double>::infinity();

Ring world_ring() { return Ring(Communicator::world()); }

/// A case with documents, uneven shares and both rotations' worth of data.
SequenceCase uneven_case(Layout layout, BackwardRotation rotation) {
  SequenceCase sequence_case = make_case(61);
  sequence_case.options.layout = layout;
  sequence_case.options.backward_rotation = rotation;
  sequence_case.options.problem.has_documents = true;
  sequence_case.documents = Documents::several;
  return sequence_case;
}

/// Calls `function(case)` by the ring in every layout with either rotation, and by every other schedule in every layout
/// with one of them, which take turns.
template <class Function>
void for_each_variant(Function&& function, int ranks = Communicator::world().size()) {
  std::size_t turn = 0;
  for (const Schedule& listed : every_schedule()) {
    if (listed.ulysses > 1) {
      continue;  // head_exchange_test.cpp has what those promise
    }
    ++turn;
    for (std::size_t layout = 0; layout < layouts.size(); ++layout) {
      for (std::size_t rotation = 0; rotation < rotations.size(); ++rotation) {
        const bool is_its_turn = listed.is_trimmed ? rotation == 0 : (turn + layout + rotation) % 2 == 0;
        if (listed != Schedule() && !is_its_turn) {
          continue;
        }
        SequenceCase sequence_case = uneven_case(layouts[layout], rotations[rotation]);
        sequence_case.options.schedule = fitted(listed, sequence_case.options, ranks);
        if (is_tested_elsewhere(listed, sequence_case.options.schedule)) {
          continue;
        }
        SCOPED_TRACE(::testing::PrintToString(sequence_case));
        function(sequence_case);
      }
    }
  }
}

/// What this rank's plan of a pass sends.
SequenceTraffic planned_for(const SequenceCase& sequence_case, const Ring& ring, AttentionPass pass) {
  const SequenceAttentionOptions& options = sequence_case.options;
  const Partition partition(options.layout, options.problem.context_length, ring.size());
  const BackwardRotation rotation =
      options.backward_rotation.value_or(cheaper_rotation(options.schedule, options.problem));
  return traffic_of(make_plan(options.schedule, pass, rotation, ring.size(), ring.rank()), options.problem, partition,
                    ring.rank());
}

std::vector<std::byte> bits_of(const Ring& ring, const SequenceCase& sequence_case) {
  const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
  SequenceProblem problem(ring, sequence_case);
  problem.run(*attention);
  return problem.result_bits();
}

/// Compares without printing thousands of bytes.
void expect_equal_bits(const std::vector<std::byte>& actual, const std::vector<std::byte>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  const auto [differing, unused] = std::ranges::mismatch(actual, expected);
  EXPECT_TRUE(differing == actual.end()) << "first difference at byte " << differing - actual.begin();
}

void expect_hops(const SequenceTraffic& traffic, const SequenceTraffic& expected) {
  EXPECT_EQ(traffic.operands.hops, expected.operands.hops);
  EXPECT_EQ(traffic.gradients.hops, expected.gradients.hops);
}

TEST(SequenceAttentionTraffic, EqualsThePlan) {
  const Ring ring = world_ring();
  for_each_variant([&](const SequenceCase& base) {
    for (const DType wire_dtype : {DType::float32, DType::bfloat16}) {
      for (const std::int64_t length : {1, 5, 61}) {
        SequenceCase sequence_case = base;
        sequence_case.options.problem.wire_dtype = wire_dtype;
        sequence_case.options.problem.context_length = length;
        const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
        SequenceProblem sequence(ring, sequence_case);
        const auto expect_planned = [&](AttentionPass pass) {
          const SequenceTraffic planned = planned_for(sequence_case, ring, pass);
          EXPECT_EQ(attention->traffic().operands, planned.operands);
          EXPECT_EQ(attention->traffic().gradients, planned.gradients);
        };
        attention->forward(sequence.forward_pass());
        expect_planned(AttentionPass::forward);
        attention->backward(sequence.backward_pass());
        expect_planned(AttentionPass::backward);
      }
    }
  });
}

TEST(SequenceAttentionTraffic, IsThatOfTheLastPass) {
  const Ring ring = world_ring();
  const SequenceCase sequence_case = uneven_case(Layout::zigzag, BackwardRotation::kv);
  const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
  SequenceProblem problem(ring, sequence_case);
  attention->forward(problem.forward_pass());
  const std::int64_t bytes = attention->traffic().bytes();
  attention->forward(problem.forward_pass());
  EXPECT_EQ(attention->traffic().bytes(), bytes);
}

TEST(SequenceAttentionTraffic, SmallMessagesGiveEqualResults) {
  const Ring ring = world_ring();
  for_each_variant([&](SequenceCase sequence_case) {
    const auto expected = bits_of(ring, sequence_case);
    sequence_case.options.message_limit = 97;
    const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
    SequenceProblem problem(ring, sequence_case);
    problem.run(*attention);
    expect_equal_bits(problem.result_bits(), expected);
    // A block counts once, however many messages the transport makes of it.
    const SequenceTraffic planned = planned_for(sequence_case, ring, AttentionPass::backward);
    EXPECT_EQ(attention->traffic().operands, planned.operands);
    EXPECT_EQ(attention->traffic().gradients, planned.gradients);
  });
}

TEST(SequenceAttentionMemory, EqualsTheModel) {
  const Ring ring = world_ring();
  for_each_variant([&](SequenceCase sequence_case) {
    for (const AttentionPass pass : {AttentionPass::forward, AttentionPass::forward_backward}) {
      sequence_case.options.pass = pass;
      const AttentionProblem& problem = sequence_case.options.problem;
      const std::int64_t before = memory_account().current;
      const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
      const std::int64_t held = memory_account().current - before;
      // What the caller holds a token: q, out, k, v, maximum, sum, id; and dout, delta, dq, dk, dv.
      const std::int64_t tensors = 4 * ((2 * 4 + 2 * 2) * 16 + 2 * 4) + 4;
      const std::int64_t gradients = pass == AttentionPass::forward ? 0 : 4 * ((2 * 4 + 2 * 2) * 16 + 4);
      const std::int64_t tokens = attention->partition().tokens_per_rank();
      EXPECT_EQ(held + tokens * (tensors + gradients),
                attention_peak_bytes(sequence_case.options.schedule, problem, pass, attention->backward_rotation(),
                                     ring.size(), tokens, attention->workspace_bytes()));
    }
  });
}

TEST(SequenceAttentionMemory, PassesAllocateNothing) {
  const Ring ring = world_ring();
  for_each_variant([&](const SequenceCase& sequence_case) {
    const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
    SequenceProblem problem(ring, sequence_case);
    reset_high_water();
    const std::int64_t before = memory_account().current;
    problem.run(*attention);
    EXPECT_EQ(memory_account().current, before);
    EXPECT_EQ(memory_account().high_water, before);
  });
}

TEST(SequenceAttentionMemory, TooLittleIsOutOfMemory) {
  const Ring ring = world_ring();
  SequenceCase sequence_case = make_case(4096);
  set_memory_limit(memory_account().current + 1000);
  expect_error(ErrorKind::out_of_memory,
               [&] { const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options); });
  set_memory_limit(0);
}

TEST(SequenceAttention, TwoRunsAreBitwiseEqual) {
  const Ring ring = world_ring();
  for_each_variant([&](const SequenceCase& sequence_case) {
    const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
    SequenceProblem problem(ring, sequence_case);
    problem.run(*attention);
    const auto first = problem.result_bits();
    problem.run(*attention);
    expect_equal_bits(problem.result_bits(), first);
    expect_equal_bits(bits_of(ring, sequence_case), first);
  });
}

TEST(SequenceAttention, ForwardByAllGatherIsBitwiseThatOfTheRing) {
  const Ring ring = world_ring();
  for (const Layout layout : layouts) {
    SequenceCase sequence_case = uneven_case(layout, BackwardRotation::kv);
    sequence_case.options.pass = AttentionPass::forward;
    const auto of_ring = bits_of(ring, sequence_case);
    Schedule by_groups(ScheduleKind::all_gather);
    by_groups.head_groups = 2;
    for (const Schedule& gathered : {Schedule(ScheduleKind::all_gather), by_groups}) {
      sequence_case.options.schedule = gathered;
      expect_equal_bits(bits_of(ring, sequence_case), of_ring);
    }
  }
}

TEST(SequenceAttention, DoesNotDependOnPolling) {
  const Ring ring = world_ring();
  for_each_variant([&](SequenceCase sequence_case) {
    const auto expected = bits_of(ring, sequence_case);
    sequence_case.options.is_polling = false;
    expect_equal_bits(bits_of(ring, sequence_case), expected);
  });
}

TEST(SequenceAttention, EqualsDenseAttentionOnRingsOfHalfTheRanks) {
  const Communicator world = Communicator::world();
  const Ring ring(world.split(world.rank() % 2, -world.rank()));
  for_each_variant(
      [&](const SequenceCase& sequence_case) {
        const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
        SequenceProblem problem(ring, sequence_case);
        problem.run(*attention);
        expect_equals_dense(problem.gather(), problem.expected(), sequence_case);
      },
      ring.size());
}

TEST(SequenceAttention, EqualsDenseAttentionForAFewShapes) {
  const Ring ring = world_ring();
  for (const std::int64_t length : {1, 5, 61, 257}) {
    for_each_variant([&](SequenceCase sequence_case) {
      sequence_case.options.problem.context_length = length;
      const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
      SequenceProblem problem(ring, sequence_case);
      problem.run(*attention);
      expect_equals_dense(problem.gather(), problem.expected(), sequence_case);
      EXPECT_TRUE(problem.guards_are_intact());
    });
  }
}

TEST(SequenceAttention, ReadsPackedProjectionsInPlace) {
  const Ring ring = world_ring();
  for_each_variant([&](const SequenceCase& sequence_case) {
    const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
    SequenceProblem problem(ring, sequence_case);
    problem.run(*attention);
    const auto expected = problem.result_bits();
    // q, k and v as parts of one (B, T, H + 2 Hkv, D) tensor, as one matrix product writes them.
    SequenceForward forward = problem.forward_pass();
    SequenceBackward backward = problem.backward_pass();
    ActivationTensor packed(forward.q.dtype, {forward.q.batch(), forward.q.tokens(), 4 + 2 + 2, 16});
    std::int64_t first_head = 0;
    const auto pack = [&](const ConstActivationView& dense) {
      ActivationView part = packed.view();
      part.shape = dense.shape;
      part.data = static_cast<float*>(part.data) + first_head * part.strides[2];
      first_head += dense.heads();
      for_each_element(part.as<float>(), [&](std::uint64_t index, float& element) {
        element = static_cast<const float*>(dense.data)[index];
      });
      return part;
    };
    forward.q = backward.q = pack(forward.q);
    forward.k = backward.k = pack(forward.k);
    forward.v = backward.v = pack(forward.v);
    attention->forward(forward);
    attention->backward(backward);
    expect_equal_bits(problem.result_bits(), expected);
  });
}

/// Root mean square of the error over that of the expected values.
double normalised_rms(const std::vector<double>& actual, const std::vector<double>& expected) {
  double error_squares = 0;
  double squares = 0;
  for (std::size_t index = 0; index < expected.size(); ++index) {
    error_squares += (actual[index] - expected[index]) * (actual[index] - expected[index]);
    squares += expected[index] * expected[index];
  }
  return std::sqrt(error_squares / squares);
}

TEST(SequenceAttention, ErrorDoesNotGrowWithTheRing) {
  const Communicator world = Communicator::world();
  const Ring alone(world.split(world.rank(), 0));
  const Ring whole(world);
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    for (const BackwardRotation rotation : rotations) {
      SequenceCase sequence_case = make_case(320, 2, 1);
      sequence_case.options.problem.dtype = dtype;
      sequence_case.options.problem.wire_dtype = dtype;
      sequence_case.options.backward_rotation = rotation;
      const auto results_on = [&](const Ring& ring) {
        const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
        SequenceProblem problem(ring, sequence_case);
        problem.run(*attention);
        return problem.gather();
      };
      const SequenceResults of_one = results_on(alone);
      const SequenceResults of_all = results_on(whole);
      const SequenceResults expected = SequenceProblem(whole, sequence_case).expected();
      // A fold more is one more rounding of fp32 sums, 6e-8 each: nothing beside the rounding of bf16 operands.
      const double tiny = 2e-7;
      for (const auto part : {&SequenceResults::out, &SequenceResults::lse, &SequenceResults::dq, &SequenceResults::dk,
                              &SequenceResults::dv}) {
        EXPECT_LE(normalised_rms(of_all.*part, expected.*part),
                  1.2 * normalised_rms(of_one.*part, expected.*part) + tiny)
            << name_of(dtype);
      }
    }
  }
}

TEST(SequenceAttentionWire, Bf16OnTheWireStaysWithinItsRounding) {
  const Ring ring = world_ring();
  for_each_variant([&](SequenceCase sequence_case) {
    sequence_case.options.problem.wire_dtype = DType::bfloat16;
    const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
    SequenceProblem problem(ring, sequence_case);
    problem.run(*attention);
    expect_equals_dense(problem.gather(), problem.expected(), sequence_case);
  });
}

TEST(SequenceAttentionWire, OneRankSendsNothingAndRoundsNothing) {
  const Communicator world = Communicator::world();
  const Ring alone(world.split(world.rank(), 0));
  for_each_variant(
      [&](SequenceCase sequence_case) {
        const auto expected = bits_of(alone, sequence_case);
        sequence_case.options.problem.wire_dtype = DType::bfloat16;
        expect_equal_bits(bits_of(alone, sequence_case), expected);
      },
      1);
}

TEST(SequenceAttentionWire, Fp32CarriesBf16WithoutLoss) {
  const Ring ring = world_ring();
  SequenceCase sequence_case = uneven_case(Layout::zigzag, BackwardRotation::kv);
  sequence_case.options.problem.dtype = DType::bfloat16;
  sequence_case.options.backend = Backend::reference;
  sequence_case.options.problem.wire_dtype = DType::bfloat16;
  const auto expected = bits_of(ring, sequence_case);
  sequence_case.options.problem.wire_dtype = DType::float32;
  expect_equal_bits(bits_of(ring, sequence_case), expected);
}

TEST(SequenceAttentionModes, ComputingAloneSendsNothing) {
  const Ring ring = world_ring();
  for_each_variant([&](const SequenceCase& sequence_case) {
    const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
    SequenceProblem problem(ring, sequence_case);
    attention->forward(problem.forward_pass(), {.mode = PassMode::compute_only});
    expect_hops(attention->traffic(), {});
    attention->backward(problem.backward_pass(), {.mode = PassMode::compute_only});
    expect_hops(attention->traffic(), {});
    EXPECT_EQ(attention->traffic().bytes(), 0);
    // The plan is as good as new.
    problem.run(*attention);
    expect_equals_dense(problem.gather(), problem.expected(), sequence_case);
  });
}

TEST(SequenceAttentionModes, ComputingAloneIsAllOfItOnOneRank) {
  const Communicator world = Communicator::world();
  const Ring alone(world.split(world.rank(), 0));
  for_each_variant(
      [&](const SequenceCase& sequence_case) {
        const auto expected = bits_of(alone, sequence_case);
        const auto attention = make_sequence_attention(alone.communicator(), sequence_case.options);
        SequenceProblem problem(alone, sequence_case);
        problem.run(*attention, {.mode = PassMode::compute_only});
        expect_equal_bits(problem.result_bits(), expected);
      },
      1);
}

TEST(SequenceAttentionModes, TransferringAloneSendsTheSameAndComputesNothing) {
  const Ring ring = world_ring();
  for_each_variant([&](const SequenceCase& sequence_case) {
    const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
    SequenceProblem problem(ring, sequence_case);
    attention->forward(problem.forward_pass());
    const std::int64_t forward_bytes = attention->traffic().bytes();
    attention->backward(problem.backward_pass());
    const std::int64_t backward_bytes = attention->traffic().bytes();

    constexpr PassMode transfer = PassMode::transfer_only;
    attention->forward(problem.forward_pass(), {.mode = transfer});
    expect_hops(attention->traffic(), planned_for(sequence_case, ring, AttentionPass::forward));
    EXPECT_EQ(attention->traffic().bytes(), forward_bytes);
    const SequenceResults results = problem.gather();
    EXPECT_TRUE(std::ranges::all_of(results.lse, [](double lse) { return lse == -never; })) << "no key was seen";
    EXPECT_TRUE(std::ranges::all_of(results.out, [](double out) { return out == 0; }));
    attention->backward(problem.backward_pass(), {.mode = transfer});
    expect_hops(attention->traffic(), planned_for(sequence_case, ring, AttentionPass::backward));
    EXPECT_EQ(attention->traffic().bytes(), backward_bytes);
  });
}

TEST(SequenceAttentionModes, EveryStepIsTimedWhenAsked) {
  const Ring ring = world_ring();
  for_each_variant([&](const SequenceCase& sequence_case) {
    const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
    SequenceProblem problem(ring, sequence_case);
    std::vector<double> seconds;
    problem.run(*attention, {.step_seconds = &seconds});
    int steps = 0;
    for (const AttentionPass pass : {AttentionPass::forward, AttentionPass::backward}) {
      steps += make_plan(sequence_case.options.schedule, pass, attention->backward_rotation(), ring.size(), ring.rank())
                   .steps;
    }
    EXPECT_EQ(static_cast<int>(seconds.size()), steps);
    expect_equals_dense(problem.gather(), problem.expected(), sequence_case);
  });
}

TEST(SequenceAttentionDeadline, APassThatMissesItEndsAndTheNextOneWorks) {
  const Ring ring = world_ring();
  for_each_variant([&](const SequenceCase& sequence_case) {
    const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
    SequenceProblem problem(ring, sequence_case);
    EXPECT_FALSE(attention->has_missed_deadline());
    attention->set_deadline(now_seconds() - 1);
    attention->forward(problem.forward_pass());
    EXPECT_TRUE(attention->has_missed_deadline());
    expect_hops(attention->traffic(), planned_for(sequence_case, ring, AttentionPass::forward));
    attention->backward(problem.backward_pass());
    EXPECT_TRUE(attention->has_missed_deadline());
    expect_hops(attention->traffic(), planned_for(sequence_case, ring, AttentionPass::backward));

    attention->set_deadline(never);
    problem.run(*attention);
    EXPECT_FALSE(attention->has_missed_deadline());
    expect_equals_dense(problem.gather(), problem.expected(), sequence_case);
  });
}

TEST(SequenceAttentionDeadline, OneRankThatMissesItHoldsUpNobody) {
  const Ring ring = world_ring();
  for_each_variant([&](const SequenceCase& sequence_case) {
    const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
    SequenceProblem problem(ring, sequence_case);
    const bool is_late = ring.rank() == ring.size() - 1;
    attention->set_deadline(is_late ? now_seconds() - 1 : never);
    problem.run(*attention);
    EXPECT_EQ(attention->has_missed_deadline(), is_late);
  });
}

TEST(SequenceAttentionDeadline, OneThatIsFarAwayChangesNothing) {
  const Ring ring = world_ring();
  const SequenceCase sequence_case = uneven_case(Layout::contiguous, BackwardRotation::kv);
  const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
  SequenceProblem problem(ring, sequence_case);
  attention->set_deadline(now_seconds() + 3600);
  problem.run(*attention);
  EXPECT_FALSE(attention->has_missed_deadline());
  expect_equal_bits(problem.result_bits(), bits_of(ring, sequence_case));
}

TEST(SequenceAttentionPlan, ChoosesTheCheaperRotationUnlessOneIsForced) {
  const Ring ring = world_ring();
  EXPECT_EQ(make_sequence_attention(ring.communicator(), make_case(16, 4, 4).options)->backward_rotation(),
            BackwardRotation::q);
  EXPECT_EQ(make_sequence_attention(ring.communicator(), make_case(16, 8, 2).options)->backward_rotation(),
            BackwardRotation::kv);
  for (const BackwardRotation rotation : rotations) {
    EXPECT_EQ(make_sequence_attention(ring.communicator(), uneven_case(Layout::zigzag, rotation).options)
                  ->backward_rotation(),
              rotation);
  }
}

TEST(SequenceAttentionPlan, ForTheForwardPassRefusesTheBackwardPass) {
  const Ring ring = world_ring();
  SequenceCase sequence_case = uneven_case(Layout::zigzag, BackwardRotation::kv);
  sequence_case.options.pass = AttentionPass::forward;
  const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
  SequenceProblem problem(ring, sequence_case);
  problem.run(*attention);
  expect_equals_dense(problem.gather(), problem.expected(), sequence_case);
  expect_error(ErrorKind::internal, [&] { attention->backward(problem.backward_pass()); }, {"forward pass only"});
}

TEST(SequenceAttentionPlan, RefusesWhatNoKernelComputes) {
  const Ring ring = world_ring();
  const auto expect_refusal = [&](const SequenceCase& sequence_case, std::initializer_list<std::string_view> parts) {
    expect_error(
        ErrorKind::bad_input,
        [&] { const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options); }, parts);
  };
  expect_refusal(make_case(16, 8, 3), {"8 heads", "3 kv heads"});
  expect_refusal(make_case(16, 8, 0), {"0 kv heads"});
  expect_refusal(make_case(0), {"context length 0"});
  SequenceCase odd_head = make_case(16);
  odd_head.options.problem.head_size = 17;
  expect_refusal(odd_head, {"head size 17"});
  if (!is_built(Backend::cuda)) {
    SequenceCase on_gpu = make_case(16);
    on_gpu.options.backend = Backend::cuda;
    expect_refusal(on_gpu, {"CUDA"});
  }
}

TEST(SequenceAttentionPlan, RefusesGradientsThatAreNotDense) {
  const Ring ring = world_ring();
  const SequenceCase sequence_case = uneven_case(Layout::zigzag, BackwardRotation::kv);
  const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
  SequenceProblem problem(ring, sequence_case);
  SequenceBackward pass = problem.backward_pass();
  pass.dk.strides[2] += 16;
  expect_error(ErrorKind::internal, [&] { attention->backward(pass); }, {"dense"});
}

}  // namespace
}  // namespace ringworld::test
