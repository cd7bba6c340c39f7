#include "kernels/matmul/matmul.hpp"

#include <limits>

#include "core/error.hpp"
#include "kernels/matmul/cost.hpp"

namespace ringworld {
namespace {

void check(const MatmulProblem& problem) {
  constexpr std::int64_t largest = std::numeric_limits<std::int32_t>::max();  // BLAS counts in int
  require(problem.m >= 0 && problem.n >= 0 && problem.k >= 0, "matmul: an extent is negative");
  require(problem.m <= largest && problem.n <= largest && problem.k <= largest, "matmul: an extent exceeds 2^31 - 1");
  require(problem.a_leading >= (problem.is_a_transposed ? problem.m : problem.k) && problem.a_leading <= largest,
          "matmul: the leading dimension of A does not fit");
  require(problem.b_leading >= (problem.is_b_transposed ? problem.k : problem.n) && problem.b_leading <= largest,
          "matmul: the leading dimension of B does not fit");
  require(problem.c_leading >= problem.n && problem.c_leading <= largest,
          "matmul: the leading dimension of C does not fit");
  require(problem.c_dtype == DType::float32 || problem.dtype == DType::bfloat16,
          "matmul: C can be bfloat16 only where A and B are");
}

}  // namespace

void Matmul::multiply(const MatmulProblem& problem) {
  check(problem);
  charge(cost_of(problem));
  run_multiply(problem);
}

}  // namespace ringworld
