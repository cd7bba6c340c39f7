#include "kernels/matmul/cost.hpp"

#include <array>

namespace ringworld {

Cost cost_of(const MatmulProblem& problem) {
  const auto [m, n, k] = std::array{problem.m, problem.n, problem.k};
  const std::int64_t operand_bytes = (m * k + k * n) * size_of(problem.dtype);
  const std::int64_t result_bytes = m * n * size_of(problem.c_dtype) * (problem.is_accumulating ? 2 : 1);
  return {.flop = matmul_flop(m, n, k),
          .bytes = static_cast<double>(operand_bytes + result_bytes),
          .kind = WorkKind::product,
          .rows = m,
          .columns = n,
          .depth = k};
}

}  // namespace ringworld
