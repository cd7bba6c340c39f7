/// @file  States of the same queries that saw different keys: merged, and made relative to one maximum.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/thread_team.hpp"
#include "kernels/attention/block_problem.hpp"

namespace ringworld::test {
namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// A state of its own memory, whose output is no number where nothing was seen.
class State {
 public:
  explicit State(const std::array<std::int64_t, 4>& shape)
      : maximum_({shape[0], shape[1], shape[2]}), sum_({shape[0], shape[1], shape[2]}), output_(shape, not_a_number) {}

  /// Rows of one head and sequence, two elements wide or more, of which all are the row's number in `outputs`.
  State(const std::vector<float>& maxima, const std::vector<float>& sums, const std::vector<float>& outputs,
        std::int64_t head_size)
      : State({1, 1, std::ssize(maxima), head_size}) {
    for (std::int64_t i = 0; i < std::ssize(maxima); ++i) {
      const auto at = static_cast<std::size_t>(i);
      maximum_.view()(0, 0, i) = maxima[at];
      sum_.view()(0, 0, i) = sums[at];
      for (std::int64_t d = 0; d < head_size; ++d) {
        output_.view()(0, 0, i, d) = outputs[at];
      }
    }
  }

  [[nodiscard]] AttentionState view() { return {maximum_.view(), sum_.view(), output_.view()}; }
  [[nodiscard]] bool guards_are_intact() const {
    return maximum_.guards_are_intact() && sum_.guards_are_intact() && output_.guards_are_intact();
  }

 private:
  Tensor<float, 3> maximum_;
  Tensor<float, 3> sum_;
  Tensor<float, 4> output_;
};

/// The output's first element of every row.
std::vector<float> first_elements(const AttentionState& state) {
  std::vector<float> elements;
  for (std::int64_t i = 0; i < state.output.shape[2]; ++i) {
    elements.push_back(state.output(0, 0, i, 0));
  }
  return elements;
}

std::vector<float> numbers(const TensorView<float, 3>& rows) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < rows.shape[2]; ++i) {
    values.push_back(rows(0, 0, i));
  }
  return values;
}

/// Keys cut into sets that no two states share, and a backend.
class BlockAttentionStates : public ::testing::TestWithParam<std::tuple<Backend, std::int64_t>> {
 protected:
  void SetUp() override {
    if (const std::string reason = why_not_tested(backend()); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
  }

  [[nodiscard]] static Backend backend() { return std::get<0>(GetParam()); }
  [[nodiscard]] static std::int64_t head_size() { return std::get<1>(GetParam()); }

  /// Of 100 queries some see no key of the first 40, some none of the last 60, and some none at all.
  [[nodiscard]] static BlockCase block_case() {
    const DocumentOf document = [](std::int64_t b, std::int64_t t) {
      return t % 9 == 5 ? -1 : static_cast<std::int32_t>((t + 7 * b) / 30);
    };
    return {.batch = 2,
            .query_tokens = 100,
            .key_tokens = 100,
            .heads = 3,
            .kv_heads = 1,
            .head_size = head_size(),
            .diagonal = -2,
            .query_document = document,
            .key_document = document};
  }
  [[nodiscard]] static std::unique_ptr<BlockAttention> make() {
    return make_attention(backend(), {.head_size = head_size(), .scale = block_case().scale()});
  }
  [[nodiscard]] static std::array<std::int64_t, 4> state_shape() { return {2, 3, 100, head_size()}; }

  /// The state after the keys `begin <= j < begin + count`.
  static void fold(BlockAttention& attention, const BlockOperands& operands, std::int64_t begin, std::int64_t count,
                   const AttentionState& state) {
    attention.reset(state);
    EXPECT_TRUE(attention.accumulate(forward_block(operands.key_range(begin, count)), state, {}));
  }
};

TEST_P(BlockAttentionStates, OfTwoSetsOfKeysMakeThatOfBoth) {
  BlockProblem problem(block_case());
  const BlockOperands operands = problem.operands();
  const ExpectedBlock expected = expected_of(operands, block_case().scale());
  const auto attention = make();
  State other(state_shape());
  for (const bool is_later_part_folded_in : {true, false}) {
    SCOPED_TRACE(is_later_part_folded_in);
    const BlockResults results = problem.results();
    for_each_element(results.state.output, [](std::uint64_t /*index*/, float& value) { value = not_a_number; });
    fold(*attention, operands, is_later_part_folded_in ? 0 : 40, is_later_part_folded_in ? 40 : 60, results.state);
    fold(*attention, operands, is_later_part_folded_in ? 40 : 0, is_later_part_folded_in ? 60 : 40, other.view());
    attention->merge(other.view(), results.state);
    attention->finalize(results.state, results.out);
    expect_forward(results, expected, computed_in_fp32);
  }
  EXPECT_TRUE(problem.guards_are_intact() && other.guards_are_intact());
}

TEST_P(BlockAttentionStates, AreMergedAsTheReferenceDoes) {
  BlockProblem problem(block_case());
  const BlockOperands operands = problem.operands();
  const auto attention = make();
  const auto reference = make_block_attention(Backend::reference, {.head_size = head_size(), .scale = 1.0F});
  State from(state_shape()), merged(state_shape()), expected(state_shape());
  fold(*attention, operands, 0, 40, from.view());
  fold(*attention, operands, 40, 60, merged.view());
  fold(*attention, operands, 40, 60, expected.view());
  attention->merge(from.view(), merged.view());
  reference->merge(from.view(), expected.view());
  EXPECT_EQ(to_doubles(merged.view().maximum), to_doubles(expected.view().maximum));
  EXPECT_TRUE(is_close("sum", to_doubles(merged.view().sum), to_doubles(expected.view().sum), computed_in_fp32));
  for (std::int64_t b = 0; b < 2; ++b) {
    for (std::int64_t h = 0; h < 3; ++h) {
      for (std::int64_t i = 0; i < 100; ++i) {
        const bool has_seen_a_key = expected.view().maximum(b, h, i) != -std::numeric_limits<float>::infinity();
        for (std::int64_t d = 0; has_seen_a_key && d < head_size(); ++d) {
          const float value = expected.view().output(b, h, i, d);
          ASSERT_NEAR(merged.view().output(b, h, i, d), value, 2e-5F * std::max(1.0F, std::abs(value)));
        }
      }
    }
  }
}

TEST_P(BlockAttentionStates, OfARangeOfTokensAreMergedAndNothingElse) {
  BlockProblem problem(block_case());
  const BlockOperands operands = problem.operands();
  const auto attention = make();
  State from(state_shape()), into(state_shape()), whole(state_shape());
  for (State* state : {&into, &whole}) {
    fold(*attention, operands, 0, 40, state->view());
  }
  fold(*attention, operands, 40, 60, from.view());
  constexpr std::int64_t begin = 13, count = 50;
  const auto outside = [&] {
    std::vector<double> values;
    for (const auto& [first, tokens] : {std::pair{std::int64_t{0}, begin}, {begin + count, 100 - begin - count}}) {
      const AttentionState part = into.view().token_range(first, tokens);
      for_each_element(part.output, [](std::uint64_t /*index*/, float& value) {
        value = std::isnan(value) ? 4.0F : value;  // equal to itself, to be compared
      });
      for (const auto& part_values : {to_doubles(part.maximum), to_doubles(part.sum), to_doubles(part.output)}) {
        values.insert(values.end(), part_values.begin(), part_values.end());
      }
    }
    return values;
  };
  const std::vector<double> before = outside();
  attention->merge(from.view().token_range(begin, count), into.view().token_range(begin, count));
  attention->merge(from.view(), whole.view());
  EXPECT_EQ(outside(), before);
  const AttentionState part = into.view().token_range(begin, count);
  const AttentionState expected = whole.view().token_range(begin, count);
  EXPECT_EQ(to_doubles(part.maximum), to_doubles(expected.maximum));
  EXPECT_EQ(to_doubles(part.sum), to_doubles(expected.sum));
  EXPECT_TRUE(into.guards_are_intact());
}

TEST_P(BlockAttentionStates, RelativeToOneMaximumAddUp) {
  BlockProblem problem(block_case());
  const BlockOperands operands = problem.operands();
  const BlockResults results = problem.results();
  const auto attention = make();
  State first(state_shape()), second(state_shape());
  fold(*attention, operands, 0, 40, first.view());
  fold(*attention, operands, 40, 60, second.view());
  Tensor<float, 3> maximum({2, 3, 100});
  for (std::int64_t b = 0; b < 2; ++b) {
    for (std::int64_t h = 0; h < 3; ++h) {
      for (std::int64_t i = 0; i < 100; ++i) {
        maximum.view()(b, h, i) = std::max(first.view().maximum(b, h, i), second.view().maximum(b, h, i));
      }
    }
  }
  attention->rescale(maximum.view(), first.view());
  attention->rescale(maximum.view(), second.view());
  const std::vector<double> outputs = to_doubles(second.view().output);
  EXPECT_TRUE(std::ranges::none_of(outputs, [](double value) { return std::isnan(value); }))
      << "a row that has seen nothing is to become zeros";
  for (std::int64_t b = 0; b < 2; ++b) {
    for (std::int64_t h = 0; h < 3; ++h) {
      for (std::int64_t i = 0; i < 100; ++i) {
        EXPECT_EQ(first.view().maximum(b, h, i), maximum.view()(b, h, i));
        results.state.maximum(b, h, i) = maximum.view()(b, h, i);
        results.state.sum(b, h, i) = first.view().sum(b, h, i) + second.view().sum(b, h, i);
        for (std::int64_t d = 0; d < head_size(); ++d) {
          results.state.output(b, h, i, d) = first.view().output(b, h, i, d) + second.view().output(b, h, i, d);
        }
      }
    }
  }
  attention->finalize(results.state, results.out);
  expect_forward(results, expected_of(operands, block_case().scale()), computed_in_fp32);
  EXPECT_TRUE(first.guards_are_intact() && second.guards_are_intact() && maximum.guards_are_intact());
}

// Rows: both saw keys; only the one folded in; only the other; neither; the same maximum; a weight that vanishes.
const std::vector<float> from_maxima{
    1.0F, 2.0F, -std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), -3.0F, 500.0F};
const std::vector<float> from_sums{2.0F, 1.5F, 0.0F, 0.0F, 1.0F, 1.0F};
const std::vector<float> from_outputs{4.0F, 3.0F, not_a_number, infinity, 5.0F, 7.0F};
const std::vector<float> into_maxima{
    1.0F, -std::numeric_limits<float>::infinity(), 0.5F, -std::numeric_limits<float>::infinity(), -3.0F, -500.0F};
const std::vector<float> into_sums{1.0F, 0.0F, 2.5F, 0.0F, 3.0F, 9.0F};
const std::vector<float> into_outputs{8.0F, not_a_number, 6.0F, not_a_number, -5.0F, 9.0F};

TEST_P(BlockAttentionStates, ThatSawNothingAddNothing) {
  State from(from_maxima, from_sums, from_outputs, head_size());
  State into(into_maxima, into_sums, into_outputs, head_size());
  const auto attention = make();
  attention->merge(from.view(), into.view());
  EXPECT_EQ(numbers(into.view().maximum),
            (std::vector<float>{1.0F, 2.0F, 0.5F, -std::numeric_limits<float>::infinity(), -3.0F, 500.0F}));
  EXPECT_EQ(numbers(into.view().sum), (std::vector<float>{3.0F, 1.5F, 2.5F, 0.0F, 4.0F, 1.0F}));
  std::vector<float> outputs = first_elements(into.view());
  outputs[3] = 0.0F;  // unspecified
  EXPECT_EQ(outputs, (std::vector<float>{12.0F, 3.0F, 6.0F, 0.0F, 0.0F, 7.0F}));
  EXPECT_EQ(numbers(from.view().maximum), from_maxima) << "what is folded in stays as it was";
  EXPECT_EQ(numbers(from.view().sum), from_sums);
}

TEST_P(BlockAttentionStates, ThatSawNothingBecomeZerosUnderAnotherMaximum) {
  State state(into_maxima, into_sums, into_outputs, head_size());
  State maxima({1.0F, 2.0F, 0.5F, -std::numeric_limits<float>::infinity(), -3.0F, 500.0F}, from_sums, from_outputs,
               head_size());
  const auto attention = make();
  attention->rescale(maxima.view().maximum, state.view());
  EXPECT_EQ(numbers(state.view().maximum), numbers(maxima.view().maximum));
  EXPECT_EQ(numbers(state.view().sum), (std::vector<float>{1.0F, 0.0F, 2.5F, 0.0F, 3.0F, 0.0F}));
  EXPECT_EQ(first_elements(state.view()), (std::vector<float>{8.0F, 0.0F, 6.0F, 0.0F, -5.0F, 0.0F}));
}

TEST_P(BlockAttentionStates, ShowASumThatIsNoNumber) {
  // What a key that is not finite leaves behind, with a maximum of keys before it or without one.
  State from({-std::numeric_limits<float>::infinity(), 1.0F, 1.0F}, {not_a_number, not_a_number, 1.0F},
             {1.0F, 1.0F, 1.0F}, head_size());
  State into({1.0F, 2.0F, -std::numeric_limits<float>::infinity()}, {1.0F, 1.0F, not_a_number}, {1.0F, 1.0F, 1.0F},
             head_size());
  const auto attention = make();
  attention->merge(from.view(), into.view());
  attention->rescale(from.view().maximum, from.view());
  for (std::int64_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(std::isnan(into.view().sum(0, 0, i))) << i;
    EXPECT_EQ(std::isnan(from.view().sum(0, 0, i)), i < 2) << i;
  }
}

TEST_P(BlockAttentionStates, OfOtherQueriesAreRefused) {
  const auto attention = make();
  State four({1, 2, 4, head_size()}), five({1, 2, 5, head_size()}), wide({1, 2, 4, head_size() + 8});
  EXPECT_THROW(attention->merge(four.view(), five.view()), Error);
  EXPECT_THROW(attention->merge(wide.view(), wide.view()), Error);
  EXPECT_THROW(attention->rescale(five.view().maximum, four.view()), Error);
  EXPECT_THROW(attention->rescale(wide.view().maximum, wide.view()), Error);
  AttentionState uneven = four.view();
  uneven.sum = five.view().sum;
  EXPECT_THROW(attention->merge(uneven, four.view()), Error);
  EXPECT_THROW(attention->rescale(four.view().maximum, uneven), Error);
  AttentionState sparse = five.view();
  sparse.output.strides = {head_size(), head_size(), 1, head_size()};
  EXPECT_THROW(attention->merge(five.view(), sparse), Error);
}

INSTANTIATE_TEST_SUITE_P(Backends, BlockAttentionStates,
                         ::testing::Combine(::testing::ValuesIn(tested_backends()),
                                            ::testing::Values(8, 16, 64, 100, 128, 256)),
                         [](const auto& instance) {
                           return std::string(name_of(std::get<0>(instance.param))) + "_d" +
                                  std::to_string(std::get<1>(instance.param));
                         });

TEST(HostBlockAttention, MergesTheSameBitsOnAnyNumberOfThreads) {
  if (largest_team() == 1) {
    GTEST_SKIP() << "this build has no OpenMP";
  }
  // Rows enough for several ranges: 2 x 3 x 700 of 72 elements.
  const std::array<std::int64_t, 4> shape{2, 3, 700, 72};
  const auto merged_on = [&](int threads) {
    State from(shape), into(shape);
    for (State* state : {&from, &into}) {
      const std::uint64_t stream = state == &from ? 0 : 3;
      for (const auto& [rows, number] : {std::pair{state->view().maximum, stream}, {state->view().sum, stream + 1}}) {
        fill_normal(TensorView<float, 4>(rows.data, {2, 3, 700, 1}), 5, number);
      }
      fill_normal(state->view().output, 5, stream + 2);
    }
    const auto attention = make_block_attention(Backend::host, {.head_size = 72, .threads = threads});
    attention->merge(from.view(), into.view());
    attention->rescale(into.view().maximum, from.view());
    return std::array{to_doubles(into.view().maximum), to_doubles(into.view().sum), to_doubles(into.view().output),
                      to_doubles(from.view().sum), to_doubles(from.view().output)};
  };
  const auto alone = merged_on(1);
  EXPECT_EQ(merged_on(2), alone);
  EXPECT_EQ(merged_on(3), alone);
}

}  // namespace
}  // namespace ringworld::test
