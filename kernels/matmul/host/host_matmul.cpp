#include <cblas.h>

#include "kernels/matmul/matmul.hpp"

namespace ringworld {
namespace {

/// The BLAS library's sgemm. Its threads are its own: OPENBLAS_NUM_THREADS, OMP_NUM_THREADS.
class HostMatmul final : public Matmul {
 public:
  void multiply(const MatmulProblem& problem) override {
    check_matmul(problem);
    const auto transposed = [](bool is_transposed) { return is_transposed ? CblasTrans : CblasNoTrans; };
    cblas_sgemm(CblasRowMajor, transposed(problem.is_a_transposed), transposed(problem.is_b_transposed),
                static_cast<int>(problem.m), static_cast<int>(problem.n), static_cast<int>(problem.k), 1.0F, problem.a,
                static_cast<int>(problem.a_leading), problem.b, static_cast<int>(problem.b_leading),
                problem.is_accumulating ? 1.0F : 0.0F, problem.c, static_cast<int>(problem.c_leading));
  }
};

}  // namespace

std::unique_ptr<Matmul> make_host_matmul() { return std::make_unique<HostMatmul>(); }

}  // namespace ringworld
