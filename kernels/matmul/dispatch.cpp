#include <fmt/format.h>

#include <limits>

#include "core/error.hpp"
#include "kernels/matmul/matmul.hpp"

namespace ringworld {

void check_matmul(const MatmulProblem& problem) {
  constexpr std::int64_t largest = std::numeric_limits<std::int32_t>::max();  // BLAS counts in int
  require(problem.m >= 0 && problem.n >= 0 && problem.k >= 0, "matmul: an extent is negative");
  require(problem.m <= largest && problem.n <= largest && problem.k <= largest, "matmul: an extent exceeds 2^31 - 1");
  require(problem.a_leading >= (problem.is_a_transposed ? problem.m : problem.k) && problem.a_leading <= largest,
          "matmul: the leading dimension of A does not fit");
  require(problem.b_leading >= (problem.is_b_transposed ? problem.k : problem.n) && problem.b_leading <= largest,
          "matmul: the leading dimension of B does not fit");
  require(problem.c_leading >= problem.n && problem.c_leading <= largest,
          "matmul: the leading dimension of C does not fit");
}

std::unique_ptr<Matmul> make_matmul(Backend backend) {
  switch (backend) {
    case Backend::reference:
      return make_reference_matmul();
    case Backend::host:
      return make_host_matmul();
    case Backend::kokkos:
    case Backend::cuda:
      break;
  }
  throw Error(
      ErrorKind::bad_input,
      fmt::format("backend '{}' has no matrix product in this build; choose reference or host", name_of(backend)));
}

}  // namespace ringworld
