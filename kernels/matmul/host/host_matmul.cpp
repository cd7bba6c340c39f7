#include <cstddef>
#include <cstring>

#include "kernels/matmul/host/libraries.hpp"

namespace ringworld {

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

std::unique_ptr<Matmul> make_host_matmul(const KernelOptions& options) {
  return make_few_rows_matmul(options, make_onednn_matmul(options));
}

}  // namespace ringworld
