/// @file  Attention with an exchange of heads: against the dense oracle, and bit for bit against the attention inside.

#include "sequence/head_exchange.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <set>
#include <span>
#include <string>

#include "core/clock.hpp"
#include "sequence/plan_cost.hpp"
#include "sequence/schedule_check.hpp"
#include "sequence/sequence_problem.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

/// What runs inside, and how tokens lie.
struct Inside {
  ScheduleKind kind;
  Layout layout;
  BackwardRotation rotation;
};

constexpr std::array insides{Inside{ScheduleKind::ring, Layout::contiguous, BackwardRotation::q},
                             Inside{ScheduleKind::ring, Layout::striped, BackwardRotation::kv},
                             Inside{ScheduleKind::ring, Layout::zigzag, BackwardRotation::kv},
                             Inside{ScheduleKind::all_gather, Layout::zigzag, BackwardRotation::q}};
constexpr double never = std::numeric_limits<double>::infinity();

Ring world_ring() { return Ring(Communicator::world()); }

/// The numbers of neighbours, more than one, among which these heads can be exchanged on these ranks.
std::vector<int> exchanges_of(const AttentionProblem& problem, int ranks) {
  std::vector<int> found;
  for (int ulysses = 2; ulysses <= ranks; ++ulysses) {
    try {
      Schedule schedule;
      schedule.ulysses = ulysses;
      check_schedule(schedule, problem, Layout::zigzag, true, ranks);
      found.push_back(ulysses);
    } catch (const Error&) {
      continue;
    }
  }
  return found;
}

constexpr std::array other_insides{Inside{ScheduleKind::bidirectional, Layout::zigzag, BackwardRotation::kv},
                                   Inside{ScheduleKind::double_ring, Layout::contiguous, BackwardRotation::q},
                                   Inside{ScheduleKind::broadcast, Layout::striped, BackwardRotation::kv},
                                   Inside{ScheduleKind::broadcast_queries, Layout::zigzag, BackwardRotation::kv},
                                   Inside{ScheduleKind::pass_q, Layout::zigzag, BackwardRotation::q}};

/// Groups of heads for the `turn`-th attention: all at once, as few as can be more than one, or as many as there can be.
int groups_of(const AttentionProblem& problem, int ulysses, std::size_t turn) {
  const auto most = static_cast<int>(std::max<std::int64_t>(1, problem.kv_heads / ulysses));
  if (turn % 3 == 0) {
    return 1;
  }
  int fewest = most == 1 ? 1 : 2;
  while (most % fewest != 0) {
    ++fewest;
  }
  return turn % 3 == 1 ? most : fewest;
}

/// Calls `function(case)` for a case with every number of neighbours that its heads allow, round different attentions.
template <class Function>
void in_every_exchange(const Ring& ring, const SequenceCase& base, Function&& function,
                       std::span<const Inside> attentions = insides) {
  for (const int ulysses : exchanges_of(base.options.problem, ring.size())) {
    for (std::size_t turn = 0; turn < attentions.size(); ++turn) {
      const Inside& inside = attentions[turn];
      SequenceCase next = base;
      next.options.schedule = inside.kind;
      next.options.schedule.ulysses = ulysses;
      next.options.schedule.head_groups = groups_of(base.options.problem, ulysses, turn);
      next.options.layout = inside.layout;
      next.options.backward_rotation = inside.rotation;
      next.options.problem.has_documents = next.documents != Documents::none;
      SCOPED_TRACE(::testing::PrintToString(next));
      function(next);
    }
  }
}

/// Heads of 2, 3, 4, 6 or 8 neighbours: as many of keys, grouped ones, and fewer than neighbours.
std::array<std::pair<std::int64_t, std::int64_t>, 4> heads_of_tests() {
  const std::int64_t heads = world_ring().size() % 3 == 0 ? 12 : 8;
  return {{{heads, heads}, {heads, heads / 2}, {heads, 2}, {heads, 1}}};
}

SequenceCase documents_case(std::int64_t length, std::int64_t heads, std::int64_t kv_heads) {
  SequenceCase sequence_case = make_case(length, heads, kv_heads);
  sequence_case.options.problem.batch = 2;
  sequence_case.documents = Documents::several;
  sequence_case.options.problem.has_documents = true;
  return sequence_case;
}

void expect_dense(const Ring& ring, const SequenceCase& sequence_case) {
  const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
  SequenceProblem problem(ring, sequence_case);
  problem.run(*attention);
  expect_equals_dense(problem.gather(), problem.expected(), sequence_case);
  EXPECT_TRUE(problem.guards_are_intact());
}

TEST(HeadExchange, HeadsOfTheTestsCanBeExchanged) {
  std::set<int> found;
  for (const auto& [heads, kv_heads] : heads_of_tests()) {
    for (const int ulysses : exchanges_of(make_case(8, heads, kv_heads).options.problem, world_ring().size())) {
      found.insert(ulysses);
    }
  }
  EXPECT_TRUE(found.contains(world_ring().size()));
  EXPECT_EQ(found.contains(2), world_ring().size() % 2 == 0);
}

TEST(HeadExchange, EqualsDenseAttention) {
  const Ring ring = world_ring();
  for (const auto& [heads, kv_heads] : heads_of_tests()) {
    for (const std::int64_t length : {1, 5, 61}) {
      SequenceCase base = make_case(length, heads, kv_heads);
      base.options.is_causal = length > 1;
      in_every_exchange(ring, base, [&](const SequenceCase& next) { expect_dense(ring, next); });
    }
  }
}

TEST(HeadExchange, EqualsDenseAttentionOfDocuments) {
  const Ring ring = world_ring();
  for (const auto& [heads, kv_heads] : {std::pair{6, 6}, {12, 2}}) {
    for (const Documents pattern :
         {Documents::one_token, Documents::several, Documents::padded_rank, Documents::padding}) {
      SequenceCase base = documents_case(33, heads, kv_heads);
      base.documents = pattern;
      in_every_exchange(ring, base, [&](const SequenceCase& next) { expect_dense(ring, next); });
    }
  }
}

TEST(HeadExchange, EqualsDenseAttentionInBf16) {
  const Ring ring = world_ring();
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    SequenceCase base = documents_case(61, 12, 2);
    base.options.problem.dtype = dtype;
    base.options.problem.wire_dtype = DType::bfloat16;
    in_every_exchange(ring, base, [&](const SequenceCase& next) { expect_dense(ring, next); });
  }
}

TEST(HeadExchange, EqualsDenseAttentionOnOtherBackends) {
  const Ring ring = world_ring();
  for (const Backend backend : {Backend::reference, Backend::kokkos}) {
    SequenceCase base = documents_case(23, 6, 2);
    base.options.backend = backend;
    base.options.problem.head_size = 24;
    if (is_built(backend)) {
      in_every_exchange(ring, base, [&](const SequenceCase& next) { expect_dense(ring, next); });
    }
  }
}

TEST(HeadExchange, PaddingReachesNothingWhateverItsBitsAre) {
  const Ring ring = world_ring();
  in_every_exchange(ring, documents_case(61, 12, 2), [&](const SequenceCase& next) {
    const auto attention = make_sequence_attention(ring.communicator(), next.options);
    SequenceProblem problem(ring, next);
    problem.spoil_padding(std::numeric_limits<float>::quiet_NaN());
    problem.run(*attention);
    expect_equals_dense(problem.gather(), problem.expected(), next);
  });
}

/// Compares this rank's results with those of `whole`, whose local token `begin + t` is local token t here.
void expect_equal_part(SequenceProblem& part, SequenceProblem& whole, std::int64_t begin) {
  const SequenceForward here = part.forward_pass();
  const SequenceForward there = whole.forward_pass();
  const std::int64_t tokens = here.out.tokens();
  const auto values = [](const TensorView<float, 3>& rows) { return to_doubles(rows); };
  EXPECT_EQ(values(here.maximum), values(there.maximum.slice(2, begin, tokens)));
  EXPECT_EQ(values(here.sum), values(there.sum.slice(2, begin, tokens)));
  EXPECT_EQ(to_doubles(ConstActivationView(here.out)),
            to_doubles(ConstActivationView(there.out.token_range(begin, tokens))));
}

void expect_equal_gradients(SequenceProblem& part, SequenceProblem& whole, std::int64_t begin) {
  const SequenceBackward here = part.backward_pass();
  const SequenceBackward there = whole.backward_pass();
  const std::int64_t tokens = here.q.tokens();
  EXPECT_EQ(to_doubles(here.dq), to_doubles(there.dq.slice(1, begin, tokens)));
  EXPECT_EQ(to_doubles(here.dk), to_doubles(there.dk.slice(1, begin, tokens)));
  EXPECT_EQ(to_doubles(here.dv), to_doubles(there.dv.slice(1, begin, tokens)));
}

/// Compares the case with the same schedule on the ring of ranks that have this one's place among their neighbours.
void expect_bits_of_ring(const Ring& world, const SequenceCase& sequence_case) {
  const int ulysses = sequence_case.options.schedule.ulysses;
  const Ring ring(world.communicator().split(world.rank() % ulysses, world.rank()));
  SequenceCase inside = sequence_case;
  inside.options.schedule = schedule_of_rings(sequence_case.options.schedule);
  const auto attention = make_sequence_attention(world.communicator(), sequence_case.options);
  const auto attention_inside = make_sequence_attention(ring.communicator(), inside.options);
  SequenceProblem problem(world, sequence_case);
  SequenceProblem problem_inside(ring, inside);
  problem.run(*attention);
  problem_inside.run(*attention_inside);
  std::int64_t begin = 0;
  for (int other = world.rank() - world.rank() % ulysses; other < world.rank(); ++other) {
    begin += attention->partition().tokens(other);
  }
  expect_equal_part(problem, problem_inside, begin);
  if (sequence_case.options.problem.kv_heads % ulysses == 0) {
    expect_equal_gradients(problem, problem_inside, begin);
  }
}

TEST(HeadExchange, IsBitwiseTheAttentionInside) {
  // Among all ranks this is one rank's attention; among some, that of a ring.
  const Ring ring = world_ring();
  for (const auto& [heads, kv_heads] : heads_of_tests()) {
    for (const std::int64_t length : {7, 61, 130}) {
      SequenceCase base = make_case(length, heads, kv_heads);
      base.documents = length == 61 ? Documents::several : Documents::none;
      in_every_exchange(ring, base, [&](const SequenceCase& next) { expect_bits_of_ring(ring, next); });
    }
  }
}

TEST(HeadExchange, GoesRoundEverySchedule) {
  const Ring ring = world_ring();
  for (const std::int64_t length : {5, 61}) {
    const auto check = [&](const SequenceCase& next) {
      expect_dense(ring, next);
      expect_bits_of_ring(ring, next);
    };
    in_every_exchange(ring, documents_case(length, 12, 6), check, other_insides);
  }
}

TEST(HeadExchange, TwoRunsAreBitwiseEqual) {
  const Ring ring = world_ring();
  in_every_exchange(ring, documents_case(61, 12, 2), [&](const SequenceCase& next) {
    const auto attention = make_sequence_attention(ring.communicator(), next.options);
    SequenceProblem problem(ring, next);
    problem.run(*attention);
    const std::vector<std::byte> first = problem.result_bits();
    problem.run(*attention);
    EXPECT_TRUE(problem.result_bits() == first);
  });
}

TEST(HeadExchange, ReadsPackedProjectionsInPlace) {
  const Ring ring = world_ring();
  in_every_exchange(ring, make_case(61, 12, 2), [&](const SequenceCase& next) {
    const auto attention = make_sequence_attention(ring.communicator(), next.options);
    SequenceProblem problem(ring, next);
    problem.run(*attention);
    const std::vector<std::byte> expected = problem.result_bits();
    SequenceForward forward = problem.forward_pass();
    SequenceBackward backward = problem.backward_pass();
    // q, k and v as parts of one (B, T, H + 2 Hkv, D) tensor, as one matrix product writes them.
    Tensor<float, 4> packed({1, forward.q.tokens(), 12 + 2 + 2, 16});
    std::int64_t first_head = 0;
    const auto pack = [&](const ConstActivationView& dense) {
      const TensorView<float, 4> part = packed.view().slice(2, first_head, dense.heads());
      first_head += dense.heads();
      for_each_element(
          part, [&](std::uint64_t index, float& element) { element = static_cast<const float*>(dense.data)[index]; });
      return ConstActivationView(part);
    };
    forward.q = backward.q = pack(forward.q);
    forward.k = backward.k = pack(forward.k);
    forward.v = backward.v = pack(forward.v);
    attention->forward(forward);
    attention->backward(backward);
    EXPECT_TRUE(problem.result_bits() == expected);
  });
}

TEST(HeadExchangeTraffic, EqualsThePlan) {
  const Ring ring = world_ring();
  for (const auto& [heads, kv_heads] : {std::pair{12, 6}, {12, 1}}) {
    for (const std::int64_t length : {1, 5, 61}) {
      in_every_exchange(ring, documents_case(length, heads, kv_heads), [&](const SequenceCase& next) {
        const SequenceAttentionOptions& options = next.options;
        const auto attention = make_sequence_attention(ring.communicator(), options);
        SequenceProblem problem(ring, next);
        SequenceTraffic total;
        for (const AttentionPass pass : {AttentionPass::forward, AttentionPass::backward}) {
          if (pass == AttentionPass::forward) {
            attention->forward(problem.forward_pass());
          } else {
            attention->backward(problem.backward_pass());
          }
          const Partition& partition = attention->partition();
          const int groups = options.schedule.head_groups;
          SequenceTraffic planned = exchange_traffic(options.problem, partition, pass, ring.rank(), {}, groups);
          const int place = ring.rank() / options.schedule.ulysses;
          for (int group = 0; group < groups; ++group) {
            planned +=
                traffic_of(make_plan(schedule_of_rings(options.schedule), pass, attention->backward_rotation(),
                                     ring.size() / options.schedule.ulysses, place),
                           exchanged_problem(options.problem, options.schedule), partition_of_rings(partition), place);
          }
          EXPECT_EQ(attention->traffic().operands, planned.operands);
          EXPECT_EQ(attention->traffic().gradients, planned.gradients);
          total += attention->traffic();
        }
        const SequenceTraffic of_all = planned_traffic(options.schedule, options.problem, attention->partition(),
                                                       AttentionPass::forward_backward, attention->backward_rotation());
        EXPECT_EQ(ring.communicator().all_reduce(total.bytes(), Reduction::sum), of_all.bytes());
        EXPECT_EQ(ring.communicator().all_reduce(total.operands.messages + total.gradients.messages, Reduction::sum),
                  of_all.operands.messages + of_all.gradients.messages);
      });
    }
  }
}

/// Bytes of the caller's tensors, as attention_peak_bytes counts them, of a rank that holds most.
std::int64_t caller_bytes(const AttentionProblem& problem, AttentionPass pass, std::int64_t tokens) {
  const std::int64_t vectors = 2 * (problem.heads + problem.kv_heads) * problem.head_size;
  const std::int64_t forward = 4 * (vectors + 2 * problem.heads) + (problem.has_documents ? 4 : 0);
  const std::int64_t backward = pass == AttentionPass::forward ? 0 : 4 * (vectors + problem.heads);
  return problem.batch * tokens * (forward + backward);
}

TEST(HeadExchangeMemory, EqualsTheModelAndPassesAllocateNothing) {
  const Ring ring = world_ring();
  for (const std::int64_t length : {1, 5, 61}) {
    in_every_exchange(ring, documents_case(length, 12, 2), [&](SequenceCase next) {
      for (const AttentionPass pass : {AttentionPass::forward, AttentionPass::forward_backward}) {
        next.options.pass = pass;
        const std::int64_t before = memory_account().current;
        const auto attention = make_sequence_attention(ring.communicator(), next.options);
        const std::int64_t held = memory_account().current - before;
        const std::int64_t tokens = attention->partition().tokens_per_rank();
        EXPECT_EQ(
            held + caller_bytes(next.options.problem, pass, tokens),
            attention_peak_bytes(next.options.schedule, next.options.problem, pass, attention->backward_rotation(),
                                 ring.size(), tokens, attention->workspace_bytes()));
        SequenceProblem problem(ring, next);
        const std::int64_t of_all = memory_account().current;
        reset_high_water();
        problem.run(*attention);
        EXPECT_EQ(memory_account().current, of_all);
        EXPECT_EQ(memory_account().high_water, of_all);
      }
    });
  }
}

TEST(HeadExchangeMemory, IsPlannedForJobsThatAreNotThere) {
  SequenceCase sequence_case = documents_case(3000, 16, 2);
  sequence_case.options.schedule.ulysses = 8;
  const std::int64_t before = memory_account().current;
  const auto attention = make_sequence_attention(Communicator::pretended(37, 64), sequence_case.options);
  const std::int64_t tokens = attention->partition().tokens_per_rank();
  EXPECT_EQ(tokens, 47);
  EXPECT_EQ(memory_account().current - before +
                caller_bytes(sequence_case.options.problem, AttentionPass::forward_backward, tokens),
            attention_peak_bytes(sequence_case.options.schedule, sequence_case.options.problem,
                                 AttentionPass::forward_backward, attention->backward_rotation(), 64, tokens,
                                 attention->workspace_bytes()));
  SequenceProblem problem(Ring(Communicator::pretended(37, 64)), sequence_case);
  attention->forward(problem.forward_pass(), {.mode = PassMode::transfer_only});
  // Ranks that are not there count as each on a node of its own.
  std::vector<int> nodes(64);
  std::iota(nodes.begin(), nodes.end(), 0);
  SequenceTraffic planned =
      exchange_traffic(sequence_case.options.problem, attention->partition(), AttentionPass::forward, 37, nodes);
  planned +=
      traffic_of(make_plan(ScheduleKind::ring, AttentionPass::forward, attention->backward_rotation(), 8, 4),
                 exchanged_problem(sequence_case.options.problem, 8), Partition(Layout::zigzag, 3000, 8), 4, nodes);
  EXPECT_EQ(attention->traffic().operands, planned.operands);
}

TEST(HeadExchangeModes, ComputingAloneSendsNothing) {
  const Ring ring = world_ring();
  in_every_exchange(ring, documents_case(61, 12, 2), [&](const SequenceCase& next) {
    const auto attention = make_sequence_attention(ring.communicator(), next.options);
    SequenceProblem problem(ring, next);
    problem.run(*attention, {.mode = PassMode::compute_only});
    EXPECT_EQ(attention->traffic().bytes(), 0);
    EXPECT_EQ(attention->traffic().operands.hops + attention->traffic().gradients.hops, 0);
    EXPECT_TRUE(problem.guards_are_intact());
    problem.run(*attention);
    expect_equals_dense(problem.gather(), problem.expected(), next);
  });
}

TEST(HeadExchangeModes, ComputingAloneIsTheSameWork) {
  // As if every neighbour had this rank's tokens: with equal shares all numbers are those of real tokens. (A ring inside
  // computes with what its slots hold.)
  const Ring ring = world_ring();
  in_every_exchange(ring, make_case(24 * ring.size(), 12, 2), [&](const SequenceCase& next) {
    if (next.options.schedule.ulysses != ring.size()) {
      return;
    }
    const auto attention = make_sequence_attention(ring.communicator(), next.options);
    SequenceProblem problem(ring, next);
    problem.run(*attention);
    problem.run(*attention, {.mode = PassMode::compute_only});
    const auto are_finite = [](const std::vector<double>& values) {
      return std::ranges::all_of(values, [](double value) { return std::isfinite(value); });
    };
    const SequenceForward pass = problem.forward_pass();
    EXPECT_TRUE(are_finite(to_doubles(ConstActivationView(pass.out))) && are_finite(to_doubles(pass.maximum)));
    EXPECT_TRUE(are_finite(to_doubles(problem.backward_pass().dq)) &&
                are_finite(to_doubles(problem.backward_pass().dk)));
  });
}

TEST(HeadExchangeModes, TransferringAloneSendsTheSameAndComputesNothing) {
  const Ring ring = world_ring();
  in_every_exchange(ring, documents_case(61, 12, 2), [&](const SequenceCase& next) {
    const auto attention = make_sequence_attention(ring.communicator(), next.options);
    SequenceProblem problem(ring, next);
    attention->forward(problem.forward_pass());
    const SequenceTraffic forward = attention->traffic();
    attention->backward(problem.backward_pass());
    const SequenceTraffic backward = attention->traffic();
    attention->forward(problem.forward_pass(), {.mode = PassMode::transfer_only});
    EXPECT_EQ(attention->traffic().operands, forward.operands);
    const SequenceResults results = problem.gather();
    EXPECT_TRUE(std::ranges::all_of(results.lse, [](double lse) { return lse == -never; })) << "no key was seen";
    EXPECT_TRUE(std::ranges::all_of(results.out, [](double out) { return out == 0; }));
    attention->backward(problem.backward_pass(), {.mode = PassMode::transfer_only});
    EXPECT_EQ(attention->traffic().operands, backward.operands);
    EXPECT_EQ(attention->traffic().gradients, backward.gradients);
  });
}

TEST(HeadExchangeDeadline, APassThatMissesItEndsAndTheNextOneWorks) {
  const Ring ring = world_ring();
  in_every_exchange(ring, documents_case(61, 12, 2), [&](const SequenceCase& next) {
    const auto attention = make_sequence_attention(ring.communicator(), next.options);
    SequenceProblem problem(ring, next);
    const bool is_late = ring.rank() == ring.size() - 1;
    attention->set_deadline(is_late ? now_seconds() - 1 : never);
    problem.run(*attention);
    EXPECT_EQ(attention->has_missed_deadline(), is_late);
    attention->set_deadline(never);
    problem.run(*attention);
    EXPECT_FALSE(attention->has_missed_deadline());
    expect_equals_dense(problem.gather(), problem.expected(), next);
  });
}

TEST(HeadExchange, RefusesGroupsThatDoNotDivideTheHeadsOfARank) {
  const Ring ring = world_ring();
  SequenceCase sequence_case = make_case(61, 12 * ring.size(), 6 * ring.size());
  sequence_case.options.schedule.ulysses = ring.size();
  sequence_case.options.schedule.head_groups = 4;
  if (ring.size() > 1) {
    expect_error(ErrorKind::bad_input,
                 [&] { const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options); },
                 {"4 head groups do not divide 6 kv heads of a rank", "nearest number that does is 3"});
  }
}

TEST(HeadExchange, GroupsOfHeadsTakeAShareOfTheMemory) {
  const AttentionProblem problem = make_case(61, 64, 64).options.problem;
  const std::int64_t at_once = exchange_arena_bytes(problem, 4, AttentionPass::forward, 16);
  EXPECT_NEAR(static_cast<double>(exchange_arena_bytes(problem, 4, AttentionPass::forward, 16, 8)),
              3.0 / 8.0 * static_cast<double>(at_once), 0.03 * static_cast<double>(at_once));
}

TEST(HeadExchange, RefusesHeadsThatCannotBeSharedOut) {
  const Ring ring = world_ring();
  SequenceCase sequence_case = make_case(61, 5 * ring.size() + 1, 5 * ring.size() + 1);
  const auto expect_refusal = [&](int ulysses, std::initializer_list<std::string_view> parts) {
    sequence_case.options.schedule.ulysses = ulysses;
    expect_error(
        ErrorKind::bad_input,
        [&] { const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options); }, parts);
  };
  expect_refusal(ring.size(), {fmt::format("ulysses {}", ring.size()), "the nearest that does is 1"});
  expect_refusal(ring.size() + 1, {fmt::format("ulysses {}", ring.size() + 1), "the nearest that does is 1"});
  expect_refusal(0, {"ulysses 0"});
  expect_refusal(-1, {"ulysses -1"});
}

TEST(HeadExchange, ChoosesTheRotationThatIsCheaperInside) {
  // 12 heads over 4 of keys rotate keys. Shared among more neighbours than there are heads of keys, the ratio shrinks.
  const Ring ring = world_ring();
  for (const auto& [heads, kv_heads] : heads_of_tests()) {
    SequenceCase sequence_case = make_case(61, heads, kv_heads);
    for (const int ulysses : exchanges_of(sequence_case.options.problem, ring.size())) {
      sequence_case.options.schedule.ulysses = ulysses;
      EXPECT_EQ(make_sequence_attention(ring.communicator(), sequence_case.options)->backward_rotation(),
                cheaper_rotation({}, exchanged_problem(sequence_case.options.problem, ulysses)));
    }
  }
}

}  // namespace
}  // namespace ringworld::test
