#pragma once
/// @file  Bytes that the element-wise kernels have to move through memory: every operand once each way it is used.
///
/// What an operand costs: read or written once, its size; read and written back, twice its size. Weights of one row,
/// statistics of one column and lines read before a store are counted where a model says so, else they are too small
/// (a row among thousands) or not the kernel's to decide.
/// Symbols: T tokens, C columns (hidden_size or ffn_size), V vocab_size, e bytes of an activation.

#include <cstdint>

#include "core/dtype.hpp"

namespace ringworld {

/// x and y, and branch and sum where a branch is added: 2 or 4 e T C. Inverse RMS: 4 T.
[[nodiscard]] std::int64_t rms_norm_forward_bytes(std::int64_t tokens, std::int64_t columns, DType dtype,
                                                  bool has_branch);

/// dy, x and dx, and the residual gradient where it is added: 3 or 4 e T C. Inverse RMS: 4 T.
[[nodiscard]] std::int64_t rms_norm_backward_bytes(std::int64_t tokens, std::int64_t columns, DType dtype,
                                                   bool has_residual);

/// x both ways: 2 e T C for C = heads * head_size; cosine and sine: 4 T head_size.
[[nodiscard]] std::int64_t rope_bytes(std::int64_t tokens, std::int64_t heads, std::int64_t head_size, DType dtype);

/// gate, up and y: 3 e T C.
[[nodiscard]] std::int64_t swiglu_forward_bytes(std::int64_t tokens, std::int64_t columns, DType dtype);

/// dy, gate, up, dgate and dup, and y where it is recomputed: 5 or 6 e T C.
[[nodiscard]] std::int64_t swiglu_backward_bytes(std::int64_t tokens, std::int64_t columns, DType dtype,
                                                 bool has_result);

/// Rows read and rows written: (bytes of a table element + e) T C. Token ids: 4 T.
[[nodiscard]] std::int64_t embedding_forward_bytes(std::int64_t tokens, std::int64_t columns, DType table_dtype,
                                                   DType dtype);

/// dy once, and each of `distinct_tokens` fp32 rows both ways: e T C + 8 distinct_tokens C. Token ids: 4 T.
[[nodiscard]] std::int64_t embedding_backward_bytes(std::int64_t tokens, std::int64_t distinct_tokens,
                                                    std::int64_t columns, DType dtype);

/// Logits: 4 T V.
[[nodiscard]] std::int64_t cross_entropy_forward_bytes(std::int64_t tokens, std::int64_t vocab_size);

/// Logits, and their gradients in the same place: 8 T V.
[[nodiscard]] std::int64_t cross_entropy_backward_bytes(std::int64_t tokens, std::int64_t vocab_size);

/// Gradient once, parameter and two moments both ways: 28 bytes a parameter; 2 more for a bf16 copy.
[[nodiscard]] std::int64_t adamw_bytes(std::int64_t parameters, bool has_copy);

/// 4 bytes an element.
[[nodiscard]] std::int64_t sum_of_squares_bytes(std::int64_t count);

}  // namespace ringworld
