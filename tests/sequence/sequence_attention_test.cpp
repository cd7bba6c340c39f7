/// @file  Attention over ranks against the dense oracle: every schedule, layout, mask, rotation, type, and awkward shapes.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <limits>
#include <tuple>

#include "sequence/every_schedule.hpp"
#include "sequence/sequence_problem.hpp"

namespace ringworld::test {
namespace {

constexpr std::array layouts{Layout::contiguous, Layout::striped, Layout::zigzag};
constexpr std::array rotations{BackwardRotation::kv, BackwardRotation::q};
constexpr std::array dtypes{DType::float32, DType::bfloat16};

class SequenceAttentionCase : public ::testing::TestWithParam<SequenceCase> {};

TEST_P(SequenceAttentionCase, EqualsDenseAttention) {
  const SequenceCase& sequence_case = GetParam();
  if (!is_built(sequence_case.options.backend)) {
    GTEST_SKIP() << "backend '" << name_of(sequence_case.options.backend) << "' is not in this build";
  }
  const Ring ring(Communicator::world());
  SequenceAttentionOptions options = sequence_case.options;
  options.schedule = fitted(options.schedule, options, ring.size());
  const auto attention = make_sequence_attention(ring.communicator(), options);
  SequenceProblem problem(ring, sequence_case);
  problem.run(*attention);
  expect_equals_dense(problem.gather(), problem.expected(), sequence_case);
  EXPECT_TRUE(problem.guards_are_intact());
}

class SequenceAttentionPadding : public ::testing::TestWithParam<SequenceCase> {};

TEST_P(SequenceAttentionPadding, ReachesNothingWhateverItsBitsAre) {
  const SequenceCase& sequence_case = GetParam();
  if (!is_built(sequence_case.options.backend)) {
    GTEST_SKIP() << "backend '" << name_of(sequence_case.options.backend) << "' is not in this build";
  }
  const Ring ring(Communicator::world());
  SequenceAttentionOptions options = sequence_case.options;
  options.schedule = fitted(options.schedule, options, ring.size());
  const auto attention = make_sequence_attention(ring.communicator(), options);
  for (const float value : {std::bit_cast<float>(0xffffffffU), std::numeric_limits<float>::infinity()}) {
    SequenceProblem problem(ring, sequence_case);
    problem.spoil_padding(value);
    problem.run(*attention);
    expect_equals_dense(problem.gather(), problem.expected(), sequence_case);
  }
}

/// Calls `function(case)` for a case by the ring in every layout, causal and not, with either rotation and either type,
/// and by every other schedule in a fifth of these, another fifth for each length.
template <class Function>
void in_every_variant(const SequenceCase& base, Function&& function) {
  std::int64_t variant = base.options.problem.context_length;
  for (const Schedule& schedule : every_schedule()) {
    for (const Layout layout : layouts) {
      for (const bool is_causal : {true, false}) {
        for (const BackwardRotation rotation : rotations) {
          for (const DType dtype : dtypes) {
            if (++variant % 5 != 0 && schedule != Schedule()) {
              continue;
            }
            SequenceCase next = base;
            next.options.schedule = schedule;
            next.options.layout = layout;
            next.options.is_causal = is_causal;
            next.options.backward_rotation = rotation;
            next.options.problem.dtype = dtype;
            next.options.problem.wire_dtype = dtype;
            next.options.problem.has_documents = next.documents != Documents::none;
            function(next);
          }
        }
      }
    }
  }
}

std::vector<SequenceCase> lengths_and_heads() {
  std::vector<SequenceCase> cases;
  for (const auto& [heads, kv_heads] : {std::pair(8, 2), std::pair(4, 4)}) {
    for (const std::int64_t length : {1, 5, 33, 257}) {
      in_every_variant(make_case(length, heads, kv_heads), [&](const SequenceCase& next) { cases.push_back(next); });
    }
  }
  return cases;
}

std::vector<SequenceCase> documents() {
  std::vector<SequenceCase> cases;
  for (const Documents pattern :
       {Documents::one_token, Documents::several, Documents::padded_rank, Documents::padding}) {
    SequenceCase base = make_case(33, 4, 2);
    base.options.problem.batch = 2;
    base.documents = pattern;
    in_every_variant(base, [&](const SequenceCase& next) { cases.push_back(next); });
  }
  SequenceCase longer = make_case(257, 2, 1);
  longer.documents = Documents::several;
  in_every_variant(longer, [&](const SequenceCase& next) { cases.push_back(next); });
  return cases;
}

std::vector<SequenceCase> other_backends() {
  std::vector<SequenceCase> cases;
  for (const Backend backend : {Backend::reference, Backend::kokkos}) {
    for (const Documents pattern : {Documents::none, Documents::several}) {
      for (const std::int64_t length : {5, 33}) {
        SequenceCase base = make_case(length, 4, 2);
        base.options.backend = backend;
        base.documents = pattern;
        in_every_variant(base, [&](const SequenceCase& next) { cases.push_back(next); });
      }
    }
  }
  return cases;
}

/// Padding among the tokens and a whole rank of it; also bf16 on the wire of fp32 tensors.
std::vector<SequenceCase> padding() {
  std::vector<SequenceCase> cases;
  const auto add = [&](Backend backend, Documents pattern, std::int64_t length) {
    SequenceCase base = make_case(length, 2, 1);
    base.options.backend = backend;
    base.documents = pattern;
    in_every_variant(base, [&](const SequenceCase& next) {
      cases.push_back(next);
      if (next.options.problem.dtype == DType::float32 && pattern == Documents::several) {
        cases.push_back(next);
        cases.back().options.problem.wire_dtype = DType::bfloat16;
      }
    });
  };
  add(Backend::host, Documents::several, 150);
  add(Backend::host, Documents::padded_rank, 150);
  add(Backend::reference, Documents::several, 40);
  add(Backend::kokkos, Documents::several, 70);
  return cases;
}

std::vector<SequenceCase> shapes() {
  std::vector<SequenceCase> cases;
  for (const std::int64_t batch : {2, 3}) {
    SequenceCase base = make_case(50, 3, 1);
    base.options.problem.batch = batch;
    base.options.problem.head_size = 80;
    in_every_variant(base, [&](const SequenceCase& next) { cases.push_back(next); });
  }
  return cases;
}

std::string case_name(const ::testing::TestParamInfo<SequenceCase>& info) {
  const SequenceAttentionOptions& options = info.param.options;
  const AttentionProblem& problem = options.problem;
  std::string schedule = describe(options.schedule);
  std::ranges::replace_if(schedule, [](char letter) { return std::isalnum(letter) == 0; }, '_');
  return fmt::format("{}_{}_{}_{}_{}_{}_wire_{}_s{}_b{}_h{}_{}_documents_{}", name_of(options.backend), schedule,
                     name_of(options.layout), options.is_causal ? "causal" : "full",
                     options.backward_rotation == BackwardRotation::kv ? "kv" : "q", name_of(problem.dtype),
                     name_of(problem.wire_dtype), problem.context_length, problem.batch, problem.heads,
                     problem.kv_heads, name_of(info.param.documents));
}

INSTANTIATE_TEST_SUITE_P(LengthsAndHeads, SequenceAttentionCase, ::testing::ValuesIn(lengths_and_heads()), case_name);
INSTANTIATE_TEST_SUITE_P(Documents, SequenceAttentionCase, ::testing::ValuesIn(documents()), case_name);
INSTANTIATE_TEST_SUITE_P(OtherBackends, SequenceAttentionCase, ::testing::ValuesIn(other_backends()), case_name);
INSTANTIATE_TEST_SUITE_P(Padding, SequenceAttentionPadding, ::testing::ValuesIn(padding()), case_name);
INSTANTIATE_TEST_SUITE_P(Shapes, SequenceAttentionCase, ::testing::ValuesIn(shapes()), case_name);

}  // namespace
}  // namespace ringworld::test
