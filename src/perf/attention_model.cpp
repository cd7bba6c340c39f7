#include "perf/attention_model.hpp"

#include <algorithm>

namespace ringworld {
namespace {

constexpr std::int64_t float_bytes = 4;
constexpr std::int64_t segment_id_bytes = 4;

// Numbers a query and head: maximum and sum of the softmax, and delta beside them in the backward pass.
constexpr std::int64_t forward_row_numbers = 2;
constexpr std::int64_t backward_row_numbers = 3;

std::int64_t segment_bytes(const AttentionProblem& problem) { return problem.has_segments ? segment_id_bytes : 0; }

bool has_forward(AttentionPass pass) { return pass != AttentionPass::backward; }
bool has_backward(AttentionPass pass) { return pass != AttentionPass::forward; }

}  // namespace

double visible_pairs(std::int64_t context_length, bool is_causal) {
  const auto length = static_cast<double>(context_length);
  return is_causal ? 0.5 * length * (length + 1) : length * length;
}

double attention_flop(const AttentionProblem& problem, AttentionPass pass, bool is_causal) {
  const double head_elements = static_cast<double>(problem.batch * problem.heads * problem.head_size);
  const double pairs = visible_pairs(problem.context_length, is_causal);
  const double per_pair = (has_forward(pass) ? 4.0 : 0.0) + (has_backward(pass) ? 10.0 : 0.0);
  return per_pair * head_elements * pairs;
}

double attention_memory_bytes(const AttentionProblem& problem, AttentionPass pass) {
  const std::int64_t q_elements = problem.heads * problem.head_size;
  const std::int64_t kv_elements = 2 * problem.kv_heads * problem.head_size;
  const std::int64_t number_bytes = problem.heads * float_bytes;  // one number a query and head
  const std::int64_t operands = (2 * q_elements + kv_elements) * size_of(problem.dtype) + segment_bytes(problem);
  std::int64_t per_token = 0;
  if (has_forward(pass)) {
    per_token += operands + forward_row_numbers * number_bytes;  // q, k, v in; out, maximum and sum out
  }
  if (has_backward(pass)) {
    per_token += operands + backward_row_numbers * number_bytes;  // dout in the place of out
    per_token += 2 * (q_elements + kv_elements) * float_bytes;
  }
  return static_cast<double>(problem.batch * problem.context_length * per_token);
}

std::int64_t kv_wire_bytes_per_token(const AttentionProblem& problem) {
  return 2 * problem.kv_heads * problem.head_size * size_of(problem.wire_dtype) + segment_bytes(problem);
}

std::int64_t q_wire_bytes_per_token(const AttentionProblem& problem) {
  return 2 * problem.heads * problem.head_size * size_of(problem.wire_dtype) +
         backward_row_numbers * problem.heads * float_bytes + segment_bytes(problem);
}

std::int64_t gradient_wire_bytes_per_token(const AttentionProblem& problem, BackwardRotation rotation) {
  const std::int64_t rows = rotation == BackwardRotation::kv ? 2 * problem.kv_heads : problem.heads;
  return rows * problem.head_size * float_bytes;
}

BackwardRotation cheaper_rotation(const AttentionProblem& problem) {
  const std::int64_t kv =
      kv_wire_bytes_per_token(problem) + gradient_wire_bytes_per_token(problem, BackwardRotation::kv);
  const std::int64_t q = q_wire_bytes_per_token(problem) + gradient_wire_bytes_per_token(problem, BackwardRotation::q);
  return kv <= q ? BackwardRotation::kv : BackwardRotation::q;
}

std::int64_t ring_wire_bytes(const AttentionProblem& problem, AttentionPass pass, BackwardRotation rotation,
                             std::int64_t ranks) {
  std::int64_t per_token = 0;
  if (has_forward(pass)) {
    per_token += kv_wire_bytes_per_token(problem);
  }
  if (has_backward(pass)) {
    per_token += rotation == BackwardRotation::kv ? kv_wire_bytes_per_token(problem) : q_wire_bytes_per_token(problem);
    per_token += gradient_wire_bytes_per_token(problem, rotation);
  }
  return problem.batch * problem.context_length * (ranks - 1) * per_token;
}

std::int64_t attention_arena_bytes(const AttentionProblem& problem, AttentionPass pass, BackwardRotation rotation,
                                   std::int64_t ranks, std::int64_t tokens) {
  const bool is_ring = ranks > 1;
  std::int64_t arena = problem.heads * problem.head_size * float_bytes;
  if (is_ring) {
    arena += 2 * kv_wire_bytes_per_token(problem);
  }
  if (has_backward(pass) && is_ring) {
    const std::int64_t operands =
        rotation == BackwardRotation::kv ? kv_wire_bytes_per_token(problem) : q_wire_bytes_per_token(problem);
    arena = std::max(arena, 2 * operands + 3 * gradient_wire_bytes_per_token(problem, rotation));
  }
  return problem.batch * tokens * arena;
}

std::int64_t attention_peak_bytes(const AttentionProblem& problem, AttentionPass pass, BackwardRotation rotation,
                                  std::int64_t ranks, std::int64_t tokens, std::int64_t workspace_bytes) {
  const std::int64_t q_elements = problem.heads * problem.head_size;
  const std::int64_t kv_elements = problem.kv_heads * problem.head_size;
  const std::int64_t element_bytes = size_of(problem.dtype);
  const std::int64_t number_bytes = problem.heads * float_bytes;  // one number a query and head

  std::int64_t persistent =
      (2 * q_elements + 2 * kv_elements) * element_bytes + forward_row_numbers * number_bytes + segment_bytes(problem);
  if (has_backward(pass)) {
    persistent += q_elements * element_bytes + (backward_row_numbers - forward_row_numbers) * number_bytes +
                  (q_elements + 2 * kv_elements) * float_bytes;
  }
  return problem.batch * tokens * persistent + attention_arena_bytes(problem, pass, rotation, ranks, tokens) +
         workspace_bytes;
}

}  // namespace ringworld
