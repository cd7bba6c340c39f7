/// @file  Attention over ranks against the dense oracle: every schedule, layout, mask, rotation, type, and awkward shapes.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <limits>

#include "sequence/every_schedule.hpp"
#include "sequence/sequence_problem.hpp"

namespace ringworld::test {
namespace {

/// Fits the schedule of a case to so many ranks.
/// @return why the case is not run, or nothing
std::string fit(SequenceCase& sequence_case, int ranks) {
  SequenceAttentionOptions& options = sequence_case.options;
  if (!is_built(options.backend)) {
    return fmt::format("backend '{}' is not in this build", name_of(options.backend));
  }
  const Schedule listed = options.schedule;
  options.schedule = fitted(listed, options, ranks);
  return is_tested_elsewhere(listed, options.schedule) ? "the schedule is another one on so many ranks" : "";
}

class SequenceAttentionCase : public ::testing::TestWithParam<SequenceCase> {};

TEST_P(SequenceAttentionCase, EqualsDenseAttention) {
  const Ring ring(Communicator::world());
  SequenceCase sequence_case = GetParam();
  const std::string why_not = fit(sequence_case, ring.size());
  if (!why_not.empty()) {
    GTEST_SKIP() << why_not;
  }
  const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
  SequenceProblem problem(ring, sequence_case);
  problem.run(*attention);
  expect_equals_dense(problem.gather(), problem.expected(), sequence_case);
  EXPECT_TRUE(problem.guards_are_intact());
}

class SequenceAttentionPadding : public ::testing::TestWithParam<SequenceCase> {};

TEST_P(SequenceAttentionPadding, ReachesNothingWhateverItsBitsAre) {
  const Ring ring(Communicator::world());
  SequenceCase sequence_case = GetParam();
  const std::string why_not = fit(sequence_case, ring.size());
  if (!why_not.empty()) {
    GTEST_SKIP() << why_not;
  }
  const auto attention = make_sequence_attention(ring.communicator(), sequence_case.options);
  for (const float value : {std::bit_cast<float>(0xffffffffU), std::numeric_limits<float>::infinity()}) {
    SequenceProblem problem(ring, sequence_case);
    problem.spoil_padding(value);
    problem.run(*attention);
    expect_equals_dense(problem.gather(), problem.expected(), sequence_case);
  }
}

/// Calls `function(case)` for a case by the ring in every setting, and by every other schedule in settings that cover
/// any two choices. Cases of several turns, one after another, cover all.
template <class Function>
void in_every_variant(const SequenceCase& base, int turn, Function&& function) {
  for (const Schedule& schedule : every_schedule()) {
    for (const Setting& setting : schedule == Schedule() ? every_setting() : covering_settings(schedule, turn)) {
      SequenceCase next = base;
      next.options.schedule = schedule;
      next.options.layout = setting.layout;
      next.options.is_causal = setting.is_causal;
      next.options.backward_rotation = setting.rotation;
      next.options.problem.dtype = setting.dtype;
      next.options.problem.wire_dtype = setting.dtype;
      next.options.problem.has_documents = next.documents != Documents::none;
      function(next);
    }
  }
}

std::vector<SequenceCase> lengths_and_heads() {
  std::vector<SequenceCase> cases;
  int turn = 0;
  for (const auto& [heads, kv_heads] : {std::pair(8, 2), std::pair(4, 4)}) {
    for (const std::int64_t length : {1, 5, 33, 257}) {
      in_every_variant(make_case(length, heads, kv_heads), turn++,
                       [&](const SequenceCase& next) { cases.push_back(next); });
    }
  }
  return cases;
}

std::vector<SequenceCase> documents() {
  std::vector<SequenceCase> cases;
  int turn = 0;
  for (const Documents pattern :
       {Documents::one_token, Documents::several, Documents::padded_rank, Documents::padding}) {
    SequenceCase base = make_case(33, 4, 2);
    base.options.problem.batch = 2;
    base.documents = pattern;
    in_every_variant(base, turn++, [&](const SequenceCase& next) { cases.push_back(next); });
  }
  SequenceCase longer = make_case(257, 2, 1);
  longer.documents = Documents::several;
  in_every_variant(longer, turn, [&](const SequenceCase& next) { cases.push_back(next); });
  return cases;
}

std::vector<SequenceCase> other_backends() {
  std::vector<SequenceCase> cases;
  int turn = 0;
  for (const Backend backend : {Backend::reference, Backend::kokkos}) {
    for (const Documents pattern : {Documents::none, Documents::several}) {
      for (const std::int64_t length : {5, 33}) {
        SequenceCase base = make_case(length, 4, 2);
        base.options.backend = backend;
        base.documents = pattern;
        in_every_variant(base, turn++, [&](const SequenceCase& next) { cases.push_back(next); });
      }
    }
  }
  return cases;
}

/// Padding among the tokens and a whole rank of it; also bf16 on the wire of fp32 tensors.
std::vector<SequenceCase> padding() {
  std::vector<SequenceCase> cases;
  int turn = 0;
  const auto add = [&](Backend backend, Documents pattern, std::int64_t length) {
    SequenceCase base = make_case(length, 2, 1);
    base.options.backend = backend;
    base.documents = pattern;
    in_every_variant(base, turn++, [&](const SequenceCase& next) {
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
  int turn = 0;
  for (const std::int64_t batch : {2, 3}) {
    SequenceCase base = make_case(50, 3, 1);
    base.options.problem.batch = batch;
    base.options.problem.head_size = 80;
    in_every_variant(base, turn++, [&](const SequenceCase& next) { cases.push_back(next); });
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
