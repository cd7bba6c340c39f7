#include "perf/elementwise_model.hpp"

namespace ringworld {
namespace {

constexpr std::int64_t float_bytes = 4;
constexpr std::int64_t token_id_bytes = 4;

}  // namespace

std::int64_t rms_norm_forward_bytes(std::int64_t tokens, std::int64_t columns, DType dtype, bool has_branch) {
  return tokens * ((has_branch ? 4 : 2) * columns * size_of(dtype) + float_bytes);
}

std::int64_t rms_norm_backward_bytes(std::int64_t tokens, std::int64_t columns, DType dtype, bool has_residual) {
  return tokens * ((has_residual ? 4 : 3) * columns * size_of(dtype) + float_bytes);
}

std::int64_t rope_bytes(std::int64_t tokens, std::int64_t heads, std::int64_t head_size, DType dtype) {
  return tokens * head_size * (2 * heads * size_of(dtype) + float_bytes);
}

std::int64_t swiglu_forward_bytes(std::int64_t tokens, std::int64_t columns, DType dtype) {
  return 3 * tokens * columns * size_of(dtype);
}

std::int64_t swiglu_backward_bytes(std::int64_t tokens, std::int64_t columns, DType dtype, bool has_result) {
  return (has_result ? 6 : 5) * tokens * columns * size_of(dtype);
}

std::int64_t embedding_forward_bytes(std::int64_t tokens, std::int64_t columns, DType table_dtype, DType dtype) {
  return tokens * (columns * (size_of(table_dtype) + size_of(dtype)) + token_id_bytes);
}

std::int64_t embedding_backward_bytes(std::int64_t tokens, std::int64_t distinct_tokens, std::int64_t columns,
                                      DType dtype) {
  return tokens * (columns * size_of(dtype) + token_id_bytes) + distinct_tokens * columns * 2 * float_bytes;
}

std::int64_t cross_entropy_forward_bytes(std::int64_t tokens, std::int64_t vocab_size) {
  return tokens * vocab_size * float_bytes;
}

std::int64_t cross_entropy_backward_bytes(std::int64_t tokens, std::int64_t vocab_size) {
  return 2 * tokens * vocab_size * float_bytes;
}

std::int64_t adamw_bytes(std::int64_t parameters, bool has_copy) {
  return parameters * (7 * float_bytes + (has_copy ? size_of(DType::bfloat16) : 0));
}

std::int64_t sum_of_squares_bytes(std::int64_t count) { return count * float_bytes; }

}  // namespace ringworld
