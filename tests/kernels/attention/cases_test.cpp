/// @file  Every backend against the dense oracle, over types, head sizes, shapes, diagonals and documents.

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/attention/block_problem.hpp"

namespace ringworld::test {
namespace {

using CaseParameter = std::tuple<Backend, BlockCase>;

class BlockAttentionCase : public ::testing::TestWithParam<CaseParameter> {};

TEST_P(BlockAttentionCase, EqualsDenseAttention) {
  const auto& [backend, block_case] = GetParam();
  if (const std::string reason = why_not_tested(backend); !reason.empty()) {
    GTEST_SKIP() << reason;
  }
  const auto attention = make_attention(backend, {.head_size = block_case.head_size, .scale = block_case.scale()});
  BlockProblem problem(block_case);
  const BlockOperands operands = problem.operands();
  const BlockResults results = problem.results();
  const ExpectedBlock expected = expected_of(operands, block_case.scale());
  const Tolerance tolerance = tolerance_of(backend, block_case.narrowest());

  run_forward(*attention, operands, results, block_case.parts);
  expect_forward(results, expected, tolerance);
  run_backward(*attention, operands, results, block_case.parts);
  expect_backward(results, expected, tolerance);
  EXPECT_TRUE(problem.guards_are_intact());
}

std::string case_name(const ::testing::TestParamInfo<CaseParameter>& info) {
  return std::string(name_of(std::get<0>(info.param))) + "_" + std::get<1>(info.param).name;
}

auto on_every_backend(const std::vector<BlockCase>& cases) {
  return ::testing::Combine(::testing::ValuesIn(tested_backends()), ::testing::ValuesIn(cases));
}

/// The cases, and the same with operands in bf16: backends have kernels of their own for those.
std::vector<BlockCase> in_both_types(std::vector<BlockCase> cases) {
  const std::size_t count = cases.size();
  for (std::size_t index = 0; index < count; ++index) {
    BlockCase twin = cases[index];
    twin.name += "_in_bf16";
    twin.query_dtype = DType::bfloat16;
    twin.key_dtype = DType::bfloat16;
    cases.push_back(twin);
  }
  return cases;
}

std::vector<BlockCase> types_and_head_sizes() {
  constexpr DType float32 = DType::float32;
  constexpr DType bfloat16 = DType::bfloat16;
  std::vector<BlockCase> cases;
  // Beside the sizes that kernels are compiled for, one below each of the gaps between them.
  std::vector<std::int64_t> head_sizes(compiled_head_sizes.begin(), compiled_head_sizes.end());
  head_sizes.insert(head_sizes.end(), {8, 24, 40, 72, 104, 136, 248});
  for (const std::int64_t head_size : head_sizes) {
    const std::string suffix = "_d" + std::to_string(head_size);
    const BlockCase base{.head_size = head_size, .diagonal = 40};
    for (auto [name, query, key] :
         {std::tuple("fp32", float32, float32), std::tuple("bf16", bfloat16, bfloat16),
          std::tuple("q_fp32_kv_bf16", float32, bfloat16), std::tuple("q_bf16_kv_fp32", bfloat16, float32)}) {
      BlockCase next = base;
      next.name = name + suffix;
      next.query_dtype = query;
      next.key_dtype = key;
      cases.push_back(next);
    }
  }
  return cases;
}

std::vector<BlockCase> shapes() {
  return {
      {.name = "tiny", .query_tokens = 5, .key_tokens = 3, .heads = 3, .kv_heads = 3},
      {.name = "one_token", .query_tokens = 1, .key_tokens = 1, .heads = 1, .kv_heads = 1, .diagonal = 0},
      {.name = "one_query", .query_tokens = 1, .key_tokens = 77},
      // A decoder's: several chunks of keys, and groups of more query heads than are worked on at once.
      {.name = "one_query_long",
       .batch = 2,
       .query_tokens = 1,
       .key_tokens = 1500,
       .heads = 6,
       .kv_heads = 2,
       .head_size = 64},
      {.name = "one_query_group", .query_tokens = 1, .key_tokens = 300, .heads = 11, .kv_heads = 1, .head_size = 40},
      {.name = "one_query_parts",
       .query_tokens = 1,
       .key_tokens = 700,
       .heads = 3,
       .kv_heads = 1,
       .head_size = 32,
       .parts = 3},
      {.name = "one_query_documents",
       .batch = 2,
       .query_tokens = 1,
       .key_tokens = 900,
       .query_document = [](std::int64_t b, std::int64_t) { return static_cast<std::int32_t>(b == 0 ? 1 : -1); },
       .key_document = [](std::int64_t,
                          std::int64_t t) { return static_cast<std::int32_t>(t % 7 < 3 || t > 700 ? 1 : -1); }},
      {.name = "one_key", .query_tokens = 77, .key_tokens = 1},
      {.name = "no_queries", .query_tokens = 0, .key_tokens = 9},
      {.name = "no_keys", .query_tokens = 9, .key_tokens = 0},
      {.name = "nothing", .query_tokens = 0, .key_tokens = 0, .diagonal = 0},
      {.name = "no_batch", .batch = 0},
      {.name = "several_tiles", .batch = 2, .query_tokens = 200, .key_tokens = 333, .head_size = 32},
      {.name = "whole_tiles", .query_tokens = 128, .key_tokens = 256, .head_size = 64, .diagonal = 128},
      {.name = "gqa_4_2", .batch = 2, .heads = 4, .kv_heads = 2, .diagonal = 62},
      {.name = "gqa_3_1", .batch = 2, .heads = 3, .kv_heads = 1},
      {.name = "gqa_8_2", .batch = 2, .heads = 8, .kv_heads = 2, .head_size = 80, .diagonal = 62},
      // Longer than what the Kokkos backend hands to one launch, on either side.
      {.name = "long_keys", .query_tokens = 33, .key_tokens = 2100, .heads = 1, .kv_heads = 1, .diagonal = 2067},
      {.name = "long_queries", .query_tokens = 2100, .key_tokens = 33, .heads = 1, .kv_heads = 1, .diagonal = -1024},
  };
}

std::vector<BlockCase> diagonals() {
  std::vector<BlockCase> cases;
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  // Square and not, with the diagonal on, next to and between the edges of tiles of any usual size.
  for (const std::int64_t diagonal :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1}, std::int64_t{31}, std::int64_t{32}, std::int64_t{33},
        std::int64_t{-17}, std::int64_t{-64}, std::int64_t{100}, std::int64_t{127}, std::int64_t{-129},
        std::int64_t{-130}, std::int64_t{1000}, std::int64_t{-100000}, most, -most}) {
    const std::string sign = diagonal < 0 ? "minus_" : "";
    const std::string number = std::to_string(diagonal < 0 ? -diagonal : diagonal);
    cases.push_back({.name = "square_" + sign + number, .query_tokens = 130, .key_tokens = 130, .diagonal = diagonal});
    cases.push_back({.name = "wide_" + sign + number, .diagonal = diagonal});
  }
  return cases;
}

std::vector<BlockCase> documents() {
  const auto make = [](const std::string& name, const DocumentOf& query, const DocumentOf& key) {
    return BlockCase{.name = name,
                     .batch = 2,
                     .query_tokens = 130,
                     .key_tokens = 130,
                     .heads = 4,
                     .kv_heads = 2,
                     .query_document = query,
                     .key_document = key};
  };
  using Index = std::int64_t;
  const auto id = [](Index value) { return static_cast<std::int32_t>(value); };
  const std::vector<std::tuple<std::string, DocumentOf, DocumentOf>> patterns{
      {"one_token", [=](Index, Index t) { return id(t); }, [=](Index, Index t) { return id(t); }},
      {"sevens", [=](Index b, Index t) { return id((t + 3 * b) / 7); },
       [=](Index b, Index t) { return id((t + 3 * b) / 7); }},
      {"tiles", [=](Index, Index t) { return id(t / 32); }, [=](Index, Index t) { return id(t / 32); }},
      {"unsorted", [=](Index b, Index t) { return id((t * 7 + b) % 5); },
       [=](Index b, Index t) { return id((t * 7 + b) % 5); }},
      {"padded_tail", [=](Index b, Index t) { return id(t < 70 + 9 * b ? t / 40 : -1); },
       [=](Index b, Index t) { return id(t < 70 + 9 * b ? t / 40 : -1); }},
      {"padded_head", [=](Index, Index t) { return id(t < 65 ? -1 - t : 4); },
       [=](Index, Index t) { return id(t < 65 ? -1 - t : 4); }},
      {"padded_holes", [=](Index, Index t) { return id(t % 3 == 0 ? -1 : 0); },
       [=](Index, Index t) { return id(t % 5 == 0 ? -1 : 0); }},
      {"only_padding", [=](Index, Index) { return id(-1); }, [=](Index, Index) { return id(-1); }},
      {"padded_row", [=](Index b, Index) { return id(b == 0 ? -1 : 0); }, [=](Index, Index) { return id(0); }},
      {"strangers", [=](Index, Index t) { return id(t); }, [=](Index, Index t) { return id(1000 + t); }},
      {"large_ids", [=](Index, Index t) { return std::numeric_limits<std::int32_t>::max() - id(t / 50); },
       [=](Index, Index t) { return std::numeric_limits<std::int32_t>::max() - id(t / 50); }},
  };
  std::vector<BlockCase> cases;
  for (const auto& [name, query, key] : patterns) {
    cases.push_back(make(name, query, key));
    BlockCase causal = make(name + "_causal", query, key);
    causal.diagonal = 0;
    cases.push_back(causal);
  }
  return cases;
}

std::vector<BlockCase> parts() {
  const auto document = [](std::int64_t /*b*/, std::int64_t t) { return static_cast<std::int32_t>(t / 45); };
  return {
      {.name = "halves", .batch = 2, .parts = 2},
      {.name = "sevenths", .query_tokens = 200, .key_tokens = 333, .parts = 7},
      {.name = "single_keys", .query_tokens = 40, .key_tokens = 19, .parts = 19},
      {.name = "some_empty", .query_tokens = 40, .key_tokens = 5, .parts = 8},
      // Some rows see no key of the ranges that are folded first, or of any.
      {.name = "causal", .query_tokens = 130, .key_tokens = 130, .diagonal = 0, .parts = 5},
      {.name = "causal_empty_rows", .query_tokens = 130, .key_tokens = 130, .diagonal = -70, .parts = 5},
      {.name = "causal_documents",
       .query_tokens = 130,
       .key_tokens = 130,
       .diagonal = 0,
       .query_document = document,
       .key_document = document,
       .parts = 6},
      {.name = "small_parts", .query_tokens = 130, .key_tokens = 130, .diagonal = 0, .parts = 16},
  };
}

/// Head sizes that backends have tiles of their own for: several tiles on both sides, everything that cuts them.
std::vector<BlockCase> large_heads() {
  std::vector<BlockCase> cases;
  const auto document = [](std::int64_t b, std::int64_t t) { return static_cast<std::int32_t>((t + 40 * b) / 150); };
  for (const std::int64_t head_size : {64, 128, 256}) {
    const std::string suffix = "_d" + std::to_string(head_size);
    const BlockCase base{.query_tokens = 150, .key_tokens = 300, .heads = 2, .kv_heads = 1, .head_size = head_size};
    BlockCase next = base;
    next.name = "causal_gqa" + suffix;
    next.diagonal = 150;
    next.parts = 2;
    cases.push_back(next);
    next = base;
    next.name = "documents" + suffix;
    next.batch = 2;
    next.kv_heads = 2;
    next.query_tokens = 300;
    next.diagonal = 0;
    next.query_document = document;
    next.key_document = document;
    cases.push_back(next);
  }
  return in_both_types(cases);
}

/// The cases in bf16 and with the head sizes that tensor-core paths of the cuda backend are tuned for: their tiles are
/// larger, and cut elsewhere, than those of the small heads.
auto on_large_cuda_heads(const std::vector<BlockCase>& cases) {
  std::vector<BlockCase> large;
  for (const std::int64_t head_size : {64, 128}) {
    for (BlockCase next : cases) {
      next.name += "_d" + std::to_string(head_size);
      next.head_size = head_size;
      next.query_dtype = DType::bfloat16;
      next.key_dtype = DType::bfloat16;
      large.push_back(next);
    }
  }
  return ::testing::Combine(::testing::Values(Backend::cuda), ::testing::ValuesIn(large));
}

/// The cases with one pair of query heads: what is emulated takes its time.
std::vector<BlockCase> with_two_heads(std::vector<BlockCase> cases) {
  for (BlockCase& block_case : cases) {
    block_case.heads = 2;
    block_case.kv_heads = 1;
  }
  return cases;
}

/// Tiles of 64, 128 and 192 tokens, and whole numbers of them.
std::vector<BlockCase> large_tiles() {
  return {
      {.name = "one_tile_each", .query_tokens = 128, .key_tokens = 128, .heads = 1, .kv_heads = 1, .diagonal = 0},
      {.name = "warpgroup_edges", .query_tokens = 192, .key_tokens = 256, .heads = 1, .kv_heads = 1, .diagonal = 64},
      {.name = "one_beyond", .query_tokens = 193, .key_tokens = 257, .heads = 1, .kv_heads = 1, .diagonal = 63},
      // One score of a tile is hidden: the last key from the first query of a tile or of a warpgroup.
      {.name = "one_hidden", .query_tokens = 128, .key_tokens = 256, .heads = 1, .kv_heads = 1, .diagonal = 126},
      {.name = "one_short", .query_tokens = 64, .key_tokens = 127, .heads = 1, .kv_heads = 1},
      {.name = "many_stages", .query_tokens = 65, .key_tokens = 700, .heads = 1, .kv_heads = 1},
      {.name = "many_query_tiles", .query_tokens = 600, .key_tokens = 40, .heads = 1, .kv_heads = 1, .diagonal = -90},
      {.name = "gqa_6_2", .batch = 2, .query_tokens = 70, .key_tokens = 140, .heads = 6, .kv_heads = 2, .diagonal = 70},
  };
}

/// dk and dv written where they were added: of all keys, and of those that no query sees.
std::vector<BlockCase> overwritten_keys() {
  const auto document = [](std::int64_t b, std::int64_t t) { return static_cast<std::int32_t>(t < 90 ? b : 7 * t); };
  const auto other = [](std::int64_t b, std::int64_t t) { return static_cast<std::int32_t>(t < 170 ? b : -1); };
  std::vector<BlockCase> cases{
      {.name = "all_seen"},
      {.name = "parts", .query_tokens = 150, .key_tokens = 300, .diagonal = 150, .parts = 3},
      {.name = "grouped_heads", .batch = 2, .heads = 4, .kv_heads = 2, .diagonal = 30},
      {.name = "few_seen", .batch = 2, .query_tokens = 70, .key_tokens = 400, .diagonal = 20},
      {.name = "few_seen_grouped", .query_tokens = 70, .key_tokens = 400, .kv_heads = 1, .diagonal = 20},
      {.name = "none_seen", .query_tokens = 70, .key_tokens = 140, .diagonal = -71},
      {.name = "no_queries", .query_tokens = 0, .key_tokens = 140},
      {.name = "documents",
       .batch = 2,
       .query_tokens = 130,
       .key_tokens = 400,
       .query_document = document,
       .key_document = other},
  };
  for (BlockCase& next : cases) {
    next.overwrites_keys = true;
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(OverwrittenKeys, BlockAttentionCase, on_every_backend(in_both_types(overwritten_keys())),
                         case_name);
INSTANTIATE_TEST_SUITE_P(OverwrittenKeysOfLargeHeads, BlockAttentionCase, on_large_cuda_heads(overwritten_keys()),
                         case_name);
INSTANTIATE_TEST_SUITE_P(TypesAndHeadSizes, BlockAttentionCase, on_every_backend(types_and_head_sizes()), case_name);
INSTANTIATE_TEST_SUITE_P(Shapes, BlockAttentionCase, on_every_backend(in_both_types(shapes())), case_name);
INSTANTIATE_TEST_SUITE_P(Diagonals, BlockAttentionCase, on_every_backend(in_both_types(diagonals())), case_name);
INSTANTIATE_TEST_SUITE_P(Documents, BlockAttentionCase, on_every_backend(in_both_types(documents())), case_name);
INSTANTIATE_TEST_SUITE_P(LargeHeads, BlockAttentionCase, on_every_backend(large_heads()), case_name);
INSTANTIATE_TEST_SUITE_P(LargeTiles, BlockAttentionCase, on_large_cuda_heads(large_tiles()), case_name);
INSTANTIATE_TEST_SUITE_P(DiagonalsOfLargeHeads, BlockAttentionCase, on_large_cuda_heads(with_two_heads(diagonals())),
                         case_name);
INSTANTIATE_TEST_SUITE_P(DocumentsOfLargeHeads, BlockAttentionCase, on_large_cuda_heads(with_two_heads(documents())),
                         case_name);
INSTANTIATE_TEST_SUITE_P(PartsOfLargeHeads, BlockAttentionCase, on_large_cuda_heads(with_two_heads(parts())),
                         case_name);
INSTANTIATE_TEST_SUITE_P(FoldedInParts, BlockAttentionCase, on_every_backend(in_both_types(parts())), case_name);

}  // namespace
}  // namespace ringworld::test
