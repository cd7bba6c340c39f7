/// @file  The last block of a pass writes what `finalize` would have written.

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "core/error.hpp"
#include "kernels/attention/block_problem.hpp"

namespace ringworld::test {
namespace {

class BlockAttentionLastBlock : public ::testing::TestWithParam<std::tuple<Backend, BlockCase>> {
 protected:
  void SetUp() override {
    if (const std::string reason = why_not_tested(std::get<0>(GetParam())); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
  }

  [[nodiscard]] static const BlockCase& block_case() { return std::get<1>(GetParam()); }
  [[nodiscard]] static std::unique_ptr<BlockAttention> make() {
    return make_attention(std::get<0>(GetParam()),
                          {.head_size = block_case().head_size, .scale = block_case().scale()});
  }

  /// What ends differ by: `finalize` divides, and kernels may multiply with the inverse; then each rounds to its type.
  [[nodiscard]] static Tolerance tolerance(DType out) {
    return out == DType::bfloat16 ? Tolerance{.rms = 4e-3, .largest = 4e-3} : Tolerance{.rms = 2e-7, .largest = 2e-7};
  }

  /// Compares the two ends on the same operands, for results of both types that are parts of a larger tensor.
  static void check(BlockProblem& expected_problem, BlockProblem& problem) {
    const BlockResults expected = expected_problem.results();
    const BlockResults results = problem.results();
    const auto attention = make();
    attention->reset(expected.state);
    for_each_part(expected_problem.operands(), block_case().parts, [&](const BlockOperands& part, std::int64_t) {
      EXPECT_TRUE(attention->accumulate(forward_block(part), expected.state, {}));
    });
    attention->finalize(expected.state, expected.out);

    const auto [batch, tokens, heads, head_size] = results.out.shape;
    for (const DType dtype : {DType::float32, DType::bfloat16}) {
      SCOPED_TRACE(name_of(dtype));
      ActivationTensor larger(dtype, {batch, tokens + 3, heads, head_size});
      const ActivationView out = larger.view().token_range(2, tokens);
      BlockResults other = results;
      other.out = out;
      run_forward(*attention, problem.operands(), other, block_case().parts);
      EXPECT_EQ(to_doubles(results.state.maximum), to_doubles(expected.state.maximum));
      EXPECT_EQ(to_doubles(results.state.sum), to_doubles(expected.state.sum));
      EXPECT_TRUE(is_close("out", to_doubles(ConstActivationView(out)), to_doubles(ConstActivationView(expected.out)),
                           tolerance(dtype)));
      EXPECT_TRUE(larger.guards_are_intact());
      for (const std::int64_t outside : {std::int64_t{0}, std::int64_t{1}, tokens + 2}) {
        for (const double value : to_doubles(ConstActivationView(larger.view().token_range(outside, 1)))) {
          ASSERT_EQ(value, 0.0) << "token " << outside << " is not of this block";
        }
      }
    }
    EXPECT_TRUE(problem.guards_are_intact());
  }
};

TEST_P(BlockAttentionLastBlock, WritesWhatFinalizeWould) {
  BlockProblem expected(block_case());
  BlockProblem problem(block_case());
  check(expected, problem);
}

TEST_P(BlockAttentionLastBlock, WritesNothingOfAHiddenToken) {
  if (!block_case().diagonal) {
    GTEST_SKIP() << "every query sees every key";
  }
  // The last key, of all heads: no query of these cases sees it.
  BlockProblem expected(block_case());
  BlockProblem problem(block_case());
  for (BlockProblem* spoiled : {&expected, &problem}) {
    const ActivationView last = spoiled->v().token_range(block_case().key_tokens - 1, 1);
    with_type(last.dtype, [&](auto element) {
      for_each_element(last.as<decltype(element)>(), [](std::uint64_t /*index*/, auto& value) {
        value = decltype(element)(std::numeric_limits<float>::quiet_NaN());
      });
    });
  }
  check(expected, problem);
}

TEST_P(BlockAttentionLastBlock, RefusesResultsOfAnotherShape) {
  BlockProblem problem(block_case());
  const BlockResults results = problem.results();
  const auto attention = make();
  attention->reset(results.state);
  EXPECT_THROW(attention->accumulate(forward_block(problem.operands()), results.state,
                                     results.out.token_range(0, block_case().query_tokens - 1), {}),
               Error);
}

std::vector<BlockCase> cases() {
  // Of 330 tokens 210 are of one document: of the keys that come last, later tiles of queries see none.
  const DocumentOf document = [](std::int64_t /*b*/, std::int64_t t) {
    return t % 11 == 4 ? -1 : static_cast<std::int32_t>(t / 210);
  };
  std::vector<BlockCase> all;
  for (const std::int64_t head_size : {16, 64, 128}) {
    for (const DType dtype : {DType::float32, DType::bfloat16}) {
      const BlockCase base{
          .batch = 1, .heads = 2, .kv_heads = 1, .head_size = head_size, .query_dtype = dtype, .key_dtype = dtype};
      const auto add = [&](const std::string& name, std::int64_t queries, std::int64_t keys, std::int64_t parts) {
        BlockCase next = base;
        next.name = name + "_d" + std::to_string(head_size) + "_" + std::string(name_of(dtype));
        next.query_tokens = queries;
        next.key_tokens = keys;
        next.parts = parts;
        all.push_back(next);
        return &all.back();
      };
      add("dense", 67, 129, 2);
      add("causal", 150, 151, 3)->diagonal = 0;
      // The first 201 queries see nothing: whole tiles whose state is fresh at the end.
      add("late", 260, 90, 1)->diagonal = -201;
      BlockCase* documents = add("documents", 330, 330, 2);
      documents->diagonal = -1;
      documents->query_document = document;
      documents->key_document = document;
    }
  }
  return all;
}

std::string parameter_name(const ::testing::TestParamInfo<std::tuple<Backend, BlockCase>>& info) {
  return std::string(name_of(std::get<0>(info.param))) + "_" + std::get<1>(info.param).name;
}

INSTANTIATE_TEST_SUITE_P(Backends, BlockAttentionLastBlock,
                         ::testing::Combine(::testing::ValuesIn(tested_backends()), ::testing::ValuesIn(cases())),
                         parameter_name);

}  // namespace
}  // namespace ringworld::test
