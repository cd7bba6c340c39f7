/// @file  Packed blocks: their order in memory, and their sizes against the byte model.

#include "sequence/travelling_block.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "support/expect_error.hpp"
#include "support/random_tensors.hpp"

namespace ringworld::test {
namespace {

std::vector<AttentionProblem> problems() {
  std::vector<AttentionProblem> all;
  for (const DType wire_dtype : {DType::float32, DType::bfloat16}) {
    for (const bool has_documents : {false, true}) {
      for (const std::int64_t kv_heads : {1, 2, 6}) {
        for (const std::int64_t head_size : {16, 100}) {
          all.push_back({.context_length = 64,
                         .batch = 3,
                         .heads = 6,
                         .kv_heads = kv_heads,
                         .head_size = head_size,
                         .dtype = DType::float32,
                         .wire_dtype = wire_dtype,
                         .has_documents = has_documents});
        }
      }
    }
  }
  return all;
}

TEST(TravellingBlock, SizesEqualTheFormulas) {
  for (const AttentionProblem& problem : problems()) {
    const std::int64_t element = size_of(problem.wire_dtype);
    const std::int64_t id = problem.has_documents ? 4 : 0;
    const std::int64_t of_query = problem.heads * problem.head_size;
    const std::int64_t of_key = problem.kv_heads * problem.head_size;
    for (const std::int64_t tokens : {0, 1, 5, 64}) {
      const std::int64_t rows = problem.batch * tokens;
      EXPECT_EQ(block_bytes(problem, Cargo::kv, tokens), rows * (2 * of_key * element + id));
      EXPECT_EQ(block_bytes(problem, Cargo::q, tokens), rows * (2 * of_query * element + 3 * 4 * problem.heads + id));
      EXPECT_EQ(block_bytes(problem, Cargo::kv_gradient, tokens), rows * 8 * of_key);
      EXPECT_EQ(block_bytes(problem, Cargo::q_gradient, tokens), rows * 4 * of_query);
    }
  }
}

/// Expects parts, given as (begin, bytes), to fill a block from its first to its last byte in this order.
void expect_in_order(const std::byte* memory, std::int64_t bytes,
                     const std::vector<std::pair<const void*, std::int64_t>>& parts) {
  const std::byte* next = memory;
  for (const auto& [begin, size] : parts) {
    EXPECT_EQ(begin, next);
    next += size;
  }
  EXPECT_EQ(next - memory, bytes);
}

TEST(TravellingBlock, KeysComeBeforeValuesAndDocuments) {
  for (const AttentionProblem& problem : problems()) {
    constexpr std::int64_t tokens = 5;
    std::vector<std::byte> memory(100'000);
    const KeyValueBlock block = view_key_value_block(problem, tokens, memory.data());
    const std::int64_t activations = block.k.size() * size_of(problem.wire_dtype);
    EXPECT_EQ(block.k.shape, (std::array{problem.batch, tokens, problem.kv_heads, problem.head_size}));
    EXPECT_EQ(block.v.shape, block.k.shape);
    EXPECT_EQ(block.k.dtype, problem.wire_dtype);
    EXPECT_EQ(block.v.dtype, problem.wire_dtype);
    std::vector<std::pair<const void*, std::int64_t>> parts{{block.k.data, activations}, {block.v.data, activations}};
    EXPECT_EQ(block.document_ids.is_null(), !problem.has_documents);
    if (problem.has_documents) {
      EXPECT_EQ(block.document_ids.shape, (std::array{problem.batch, tokens}));
      parts.emplace_back(block.document_ids.data, 4 * block.document_ids.size());
    }
    expect_in_order(memory.data(), block.bytes, parts);
  }
}

TEST(TravellingBlock, QueriesComeBeforeRowsAndDocuments) {
  for (const AttentionProblem& problem : problems()) {
    constexpr std::int64_t tokens = 5;
    std::vector<std::byte> memory(100'000);
    const QueryBlock block = view_query_block(problem, tokens, memory.data());
    const std::int64_t activations = block.q.size() * size_of(problem.wire_dtype);
    EXPECT_EQ(block.q.shape, (std::array{problem.batch, tokens, problem.heads, problem.head_size}));
    EXPECT_EQ(block.dout.shape, block.q.shape);
    EXPECT_EQ(block.maximum.shape, (std::array{problem.batch, problem.heads, tokens}));
    EXPECT_EQ(block.sum.shape, block.maximum.shape);
    EXPECT_EQ(block.delta.shape, block.maximum.shape);
    std::vector<std::pair<const void*, std::int64_t>> parts{{block.q.data, activations},
                                                            {block.dout.data, activations},
                                                            {block.maximum.data, 4 * block.maximum.size()},
                                                            {block.sum.data, 4 * block.sum.size()},
                                                            {block.delta.data, 4 * block.delta.size()}};
    if (problem.has_documents) {
      parts.emplace_back(block.document_ids.data, 4 * block.document_ids.size());
    }
    expect_in_order(memory.data(), block.bytes, parts);
  }
}

TEST(TravellingBlock, GradientsAreThoseOfTheOperands) {
  for (const AttentionProblem& problem : problems()) {
    std::vector<std::byte> memory(100'000);
    const GradientBlock keys = view_gradient_block(problem, Cargo::kv_gradient, 5, memory.data());
    EXPECT_EQ(keys.first.shape, (std::array{problem.batch, std::int64_t{5}, problem.kv_heads, problem.head_size}));
    expect_in_order(memory.data(), keys.bytes,
                    {{keys.first.data, 4 * keys.first.size()}, {keys.second.data, 4 * keys.second.size()}});
    const GradientBlock queries = view_gradient_block(problem, Cargo::q_gradient, 5, memory.data());
    EXPECT_EQ(queries.first.shape, (std::array{problem.batch, std::int64_t{5}, problem.heads, problem.head_size}));
    EXPECT_TRUE(queries.second.is_null());
    expect_in_order(memory.data(), queries.bytes, {{queries.first.data, 4 * queries.first.size()}});
  }
}

}  // namespace
}  // namespace ringworld::test
