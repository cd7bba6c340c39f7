#include <fmt/format.h>

#include <cstddef>
#include <cstring>
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
  require(problem.c_dtype == DType::float32 || problem.dtype == DType::bfloat16,
          "matmul: C can be bfloat16 only where A and B are");
}

bool finish_empty_product(const MatmulProblem& problem) {
  if (problem.m > 0 && problem.n > 0 && problem.k > 0) {
    return false;
  }
  if (!problem.is_accumulating) {
    const std::int64_t element = size_of(problem.c_dtype);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      // All bits 0 is the number 0 in both types.
      std::memset(static_cast<std::byte*>(problem.c) + i * problem.c_leading * element, 0,
                  static_cast<std::size_t>(problem.n * element));
    }
  }
  return true;
}

std::unique_ptr<Matmul> make_matmul(Backend backend, const MatmulOptions& options) {
  require_input(options.threads > 0, fmt::format("matmul: {} threads; give 1 or more", options.threads));
  switch (backend) {
    case Backend::reference:
      return make_reference_matmul();
    case Backend::host:
      return make_host_matmul(options);
    case Backend::cuda:
      return make_cuda_matmul();
    case Backend::kokkos:
      break;
  }
  throw Error(ErrorKind::bad_input,
              fmt::format("backend '{}' has no matrix product in this build; choose reference, host or cuda",
                          name_of(backend)));
}

}  // namespace ringworld
