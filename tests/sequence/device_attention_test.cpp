/// @file  Attention round a ring of GPUs against the dense oracle, by every transport.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/clock.hpp"
#include "sequence/plan_cost.hpp"
#include "sequence/sequence_problem.hpp"
#include "support/layouts.hpp"
#include "support/transports.hpp"

namespace ringworld::test {
namespace {

constexpr std::array rotations{BackwardRotation::kv, BackwardRotation::q};
constexpr std::array dtypes{DType::float32, DType::bfloat16};

class DeviceAttention : public ::testing::TestWithParam<SequenceCase> {
 protected:
  void SetUp() override {
    const Communicator world = Communicator::world();
    if (const std::string reason = why_unavailable(world, GetParam().transport); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
    if (!is_built(Backend::cuda)) {
      GTEST_SKIP() << "backend 'cuda' is not in this build";
    }
    ring_.emplace(world.with_transport(GetParam().transport));
  }

  [[nodiscard]] const Ring& ring() const { return *ring_; }

 private:
  std::optional<Ring> ring_;
};

TEST_P(DeviceAttention, EqualsDenseAttention) {
  const auto attention = make_sequence_attention(ring().communicator(), GetParam().options);
  SequenceProblem problem(ring(), GetParam());
  // Twice, and nothing waits in between: the second pass finds the buffers of the first in use.
  problem.run(*attention);
  problem.run(*attention);
  expect_equals_dense(problem.gather(), problem.expected(), GetParam());
  EXPECT_TRUE(problem.guards_are_intact());
}

SequenceCase device_case(Transport transport, std::int64_t length, Documents documents = Documents::none) {
  SequenceCase sequence_case = make_case(length, 4, 2);
  sequence_case.options.backend = Backend::cuda;
  sequence_case.options.chunk_bytes = 1000;
  sequence_case.transport = transport;
  sequence_case.documents = documents;
  sequence_case.options.problem.has_documents = documents != Documents::none;
  return sequence_case;
}

std::vector<SequenceCase> variants() {
  std::vector<SequenceCase> cases;
  for (const Transport transport : device_transports) {
    for (const Layout layout : layouts) {
      for (const BackwardRotation rotation : rotations) {
        for (const DType dtype : dtypes) {
          SequenceCase next =
              device_case(transport, 33, layout == Layout::striped ? Documents::several : Documents::none);
          next.options.layout = layout;
          next.options.backward_rotation = rotation;
          next.options.problem.dtype = dtype;
          next.options.problem.wire_dtype = dtype;
          cases.push_back(next);
        }
      }
    }
    for (const BackwardRotation rotation : rotations) {
      for (const Documents documents : {Documents::none, Documents::several}) {
        SequenceCase gathered = device_case(transport, 33, documents);
        gathered.options.schedule = ScheduleKind::all_gather;
        gathered.options.backward_rotation = rotation;
        cases.push_back(gathered);
      }
    }
    for (const std::int64_t length : {1, 5}) {
      cases.push_back(device_case(transport, length));
    }
    SequenceCase full = device_case(transport, 50);
    full.options.is_causal = false;
    full.options.problem.batch = 2;
    full.options.problem.wire_dtype = DType::bfloat16;
    cases.push_back(full);
  }
  return cases;
}

std::string case_name(const ::testing::TestParamInfo<SequenceCase>& info) {
  const SequenceAttentionOptions& options = info.param.options;
  const AttentionProblem& problem = options.problem;
  return fmt::format("{}_{}_{}_{}_{}_{}_wire_{}_s{}_b{}_documents_{}", name_of(info.param.transport),
                     describe(options.schedule), name_of(options.layout), options.is_causal ? "causal" : "full",
                     options.backward_rotation == BackwardRotation::q ? "q" : "kv", name_of(problem.dtype),
                     name_of(problem.wire_dtype), problem.context_length, problem.batch, name_of(info.param.documents));
}

INSTANTIATE_TEST_SUITE_P(Variants, DeviceAttention, ::testing::ValuesIn(variants()), case_name);

/// What a plan on GPUs promises besides the numbers.
class DevicePlan : public DeviceAttention {};

TEST_P(DevicePlan, HoldsTheMemoryOfTheModelAndPassesAllocateNothing) {
  const AttentionProblem& problem = GetParam().options.problem;
  const std::int64_t before = memory_account(DeviceKind::cuda).current;
  const auto attention = make_sequence_attention(ring().communicator(), GetParam().options);
  const std::int64_t held = memory_account(DeviceKind::cuda).current - before;
  EXPECT_EQ(held, attention_arena_bytes(ScheduleKind::ring, problem, AttentionPass::forward_backward,
                                        attention->backward_rotation(), ring().size(),
                                        attention->partition().tokens_per_rank()) +
                      attention->workspace_bytes());
  SequenceProblem sequence(ring(), GetParam());
  sequence.run(*attention);
  reset_high_water(DeviceKind::cuda);
  const std::int64_t settled = memory_account(DeviceKind::cuda).current;
  sequence.run(*attention);
  EXPECT_EQ(memory_account(DeviceKind::cuda).high_water, settled);
  static_cast<void>(sequence.gather());
}

TEST_P(DevicePlan, SendsTheBytesOfTheModel) {
  const AttentionProblem& problem = GetParam().options.problem;
  const auto attention = make_sequence_attention(ring().communicator(), GetParam().options);
  SequenceProblem sequence(ring(), GetParam());
  sequence.run(*attention);
  EXPECT_EQ(ring().communicator().all_reduce(attention->traffic().bytes(), Reduction::sum),
            planned_traffic(ScheduleKind::ring, problem, attention->partition(), AttentionPass::backward,
                            attention->backward_rotation())
                .bytes());
  EXPECT_EQ(attention->traffic().operands.hops, ring().size() - 1);
  static_cast<void>(sequence.gather());
}

TEST_P(DevicePlan, APassThatMissesItsDeadlineEndsAndTheNextOneWorks) {
  const auto attention = make_sequence_attention(ring().communicator(), GetParam().options);
  SequenceProblem problem(ring(), GetParam());
  attention->set_deadline(now_seconds() - 1);
  problem.run(*attention);
  EXPECT_TRUE(attention->has_missed_deadline());
  EXPECT_EQ(attention->traffic().operands.hops, ring().size() - 1);
  attention->set_deadline(now_seconds() + 3600);
  problem.run(*attention);
  EXPECT_FALSE(attention->has_missed_deadline());
  expect_equals_dense(problem.gather(), problem.expected(), GetParam());
}

TEST_P(DevicePlan, StepsAreTimedByEvents) {
  const auto attention = make_sequence_attention(ring().communicator(), GetParam().options);
  SequenceProblem problem(ring(), GetParam());
  for (const PassMode mode : {PassMode::compute_only, PassMode::transfer_only, PassMode::compute_and_transfer}) {
    std::vector<double> seconds;
    problem.run(*attention, {.mode = mode, .step_seconds = &seconds});
    EXPECT_EQ(static_cast<int>(seconds.size()), 2 * ring().size() + (ring().size() > 1 ? 1 : 0));
    EXPECT_TRUE(std::ranges::all_of(seconds, [](double step) { return step >= 0; }));
  }
  expect_equals_dense(problem.gather(), problem.expected(), GetParam());
}

TEST_P(DevicePlan, HeadsAreExchangedAmongNeighbours) {
  for (const int ulysses : {2, 4}) {
    if (ring().size() % ulysses != 0) {
      continue;
    }
    for (const DType dtype : dtypes) {
      SequenceCase exchanged = GetParam();
      exchanged.options.schedule.ulysses = ulysses;
      exchanged.options.problem.dtype = dtype;
      exchanged.options.problem.wire_dtype = dtype;
      SCOPED_TRACE(::testing::PrintToString(exchanged));
      const SequenceAttentionOptions& options = exchanged.options;
      const std::int64_t before = memory_account(DeviceKind::cuda).current;
      const auto attention = make_sequence_attention(ring().communicator(), options);
      EXPECT_EQ(memory_account(DeviceKind::cuda).current - before,
                attention_arena_bytes(options.schedule, options.problem, AttentionPass::forward_backward,
                                      attention->backward_rotation(), ring().size(),
                                      attention->partition().tokens_per_rank()) +
                    attention->workspace_bytes());
      SequenceProblem problem(ring(), exchanged);
      problem.run(*attention);
      problem.run(*attention);
      expect_equals_dense(problem.gather(), problem.expected(), exchanged);
      EXPECT_TRUE(problem.guards_are_intact());
      EXPECT_EQ(ring().communicator().all_reduce(attention->traffic().bytes(), Reduction::sum),
                planned_traffic(options.schedule, options.problem, attention->partition(), AttentionPass::backward,
                                attention->backward_rotation())
                    .bytes());
    }
  }
}

std::vector<SequenceCase> plans() {
  std::vector<SequenceCase> cases;
  for (const Transport transport : device_transports) {
    cases.push_back(device_case(transport, 41, Documents::several));
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Plans, DevicePlan, ::testing::ValuesIn(plans()), case_name);

}  // namespace
}  // namespace ringworld::test
