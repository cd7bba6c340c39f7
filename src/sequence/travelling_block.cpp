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

ForwardQueryBlock view_forward_query_block(const AttentionProblem& problem, std::int64_t tokens, std::byte* memory) {
  BlockCursor cursor(memory);
  ForwardQueryBlock block;
  block.q = cursor.activations(problem.wire_dtype, {problem.batch, tokens, problem.heads, problem.head_size});
  if (problem.has_documents) {
    block.document_ids = cursor.tensor<std::int32_t, 2>({problem.batch, tokens});
  }
  block.bytes = cursor.bytes();
  return block;
}

StateBlock view_state_block(const AttentionProblem& problem, Cargo cargo, std::int64_t tokens, std::byte* memory) {
  BlockCursor cursor(memory);
  StateBlock block;
  const std::array rows{problem.batch, problem.heads, tokens};
  block.state.output = cursor.tensor<float, 4>({problem.batch, problem.heads, tokens, problem.head_size});
  block.state.sum = cursor.tensor<float, 3>(rows);
  block.state.maximum = cursor.tensor<float, 3>(rows);
  if (cargo == Cargo::partial) {
    block.common_maximum = cursor.tensor<float, 3>(rows);
  }
  block.bytes = cursor.bytes();
  return block;
}

ByteRange bytes_of(const AttentionProblem& problem, Cargo cargo, std::int64_t tokens) {
  switch (cargo) {
    case Cargo::kv:
      return {.count = view_key_value_block(problem, tokens, nullptr).bytes};
    case Cargo::q:
      return {.count = view_query_block(problem, tokens, nullptr).bytes};
    case Cargo::query:
      return {.count = view_forward_query_block(problem, tokens, nullptr).bytes};
    case Cargo::kv_gradient:
    case Cargo::q_gradient:
      return {.count = view_gradient_block(problem, cargo, tokens, nullptr).bytes};
    case Cargo::state:
    case Cargo::partial:
      return {.count = view_state_block(problem, cargo, tokens, nullptr).bytes};
    case Cargo::numerator:
    case Cargo::common_maximum:
      break;
  }
  const std::int64_t rows = problem.batch * problem.heads * tokens * static_cast<std::int64_t>(sizeof(float));
  const std::int64_t numerator = rows * (problem.head_size + 1);
  if (cargo == Cargo::numerator) {
    return {.count = numerator};
  }
  return {.begin = numerator + rows, .count = rows};  // behind the rank's own maximum
}

std::int64_t block_bytes(const AttentionProblem& problem, Cargo cargo, std::int64_t tokens) {
  return bytes_of(problem, cargo, tokens).count;
}

}  // namespace ringworld
