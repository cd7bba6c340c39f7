#pragma once
/// @file  The libraries that the host backend can take its products from. Which one it takes was measured: README.md.

#include <memory>

#include "kernels/matmul/matmul.hpp"

namespace ringworld {

/// oneDNN, on the instruction set that `selected_isa()` names at the first call in this process. bfloat16 is multiplied
/// as it is where the CPU has dot products of bf16 pairs, and widened to fp32 anywhere else.
[[nodiscard]] std::unique_ptr<Matmul> make_onednn_matmul(const KernelOptions& options);

/// OpenBLAS, on the instruction set of its own choice (OPENBLAS_CORETYPE); bfloat16 is widened to fp32.
[[nodiscard]] std::unique_ptr<Matmul> make_blas_matmul(const KernelOptions& options);

/// Widens bfloat16 operands into scratch memory of A's, B's and C's size and multiplies them by `fp32`.
[[nodiscard]] std::unique_ptr<Matmul> make_widened_matmul(std::unique_ptr<Matmul> fp32);

/// Own products of up to four rows with a transposed B, which is read as it lies; all others by `many`.
[[nodiscard]] std::unique_ptr<Matmul> make_few_rows_matmul(const KernelOptions& options, std::unique_ptr<Matmul> many);

/// Does the whole work of a problem that has no products in it (an extent is 0), C set to 0 unless it accumulates.
/// @return whether that was so
[[nodiscard]] bool finish_empty_product(const MatmulProblem& problem);

}  // namespace ringworld
