#include "sequence/travelling_block.hpp"

namespace ringworld {

KeyValueBlock view_key_value_block(const AttentionProblem& problem, std::int64_t tokens, std::byte* memory) {
  BlockCursor cursor(memory);
  KeyValueBlock block;
  const std::array shape{problem.batch, tokens, problem.kv_heads, problem.head_size};
  block.k = cursor.activations(problem.wire_dtype, shape);
  block.v = cursor.activations(problem.wire_dtype, shape);
  if (problem.has_documents) {
    block.document_ids = cursor.tensor<std::int32_t, 2>({problem.batch, tokens});
  }
  block.bytes = cursor.bytes();
  return block;
}

QueryBlock view_query_block(const AttentionProblem& problem, std::int64_t tokens, std::byte* memory) {
  BlockCursor cursor(memory);
  QueryBlock block;
  const std::array shape{problem.batch, tokens, problem.heads, problem.head_size};
  const std::array rows{problem.batch, problem.heads, tokens};
  block.q = cursor.activations(problem.wire_dtype, shape);
  block.dout = cursor.activations(problem.wire_dtype, shape);
  block.maximum = cursor.tensor<float, 3>(rows);
  block.sum = cursor.tensor<float, 3>(rows);
  block.delta = cursor.tensor<float, 3>(rows);
  if (problem.has_documents) {
    block.document_ids = cursor.tensor<std::int32_t, 2>({problem.batch, tokens});
  }
  block.bytes = cursor.bytes();
  return block;
}

GradientBlock view_gradient_block(const AttentionProblem& problem, Cargo cargo, std::int64_t tokens,
                                  std::byte* memory) {
  BlockCursor cursor(memory);
  GradientBlock block;
  const bool is_kv = cargo == Cargo::kv_gradient;
  const std::array shape{problem.batch, tokens, is_kv ? problem.kv_heads : problem.heads, problem.head_size};
  block.first = cursor.tensor<float, 4>(shape);
  if (is_kv) {
    block.second = cursor.tensor<float, 4>(shape);
  }
  block.bytes = cursor.bytes();
  return block;
}

std::int64_t block_bytes(const AttentionProblem& problem, Cargo cargo, std::int64_t tokens) {
  switch (cargo) {
    case Cargo::kv:
      return view_key_value_block(problem, tokens, nullptr).bytes;
    case Cargo::q:
      return view_query_block(problem, tokens, nullptr).bytes;
    default:
      return view_gradient_block(problem, cargo, tokens, nullptr).bytes;
  }
}

}  // namespace ringworld
