#include <cblas.h>

#include "kernels/matmul/host/libraries.hpp"

namespace ringworld {
namespace {

/// sgemm.
class BlasMatmul final : public Matmul {
 public:
  explicit BlasMatmul(std::int64_t threads) : threads_(static_cast<int>(threads)) {}

  void run_multiply(const MatmulProblem& problem) override {
    if (finish_empty_product(problem)) {
      return;
    }
    const auto transposed = [](bool is_transposed) { return is_transposed ? CblasTrans : CblasNoTrans; };
    // The number is one of the whole process; setting it costs nothing where it does not change.
    openblas_set_num_threads(threads_);
    cblas_sgemm(CblasRowMajor, transposed(problem.is_a_transposed), transposed(problem.is_b_transposed),
                static_cast<int>(problem.m), static_cast<int>(problem.n), static_cast<int>(problem.k), 1.0F,
                static_cast<const float*>(problem.a), static_cast<int>(problem.a_leading),
                static_cast<const float*>(problem.b), static_cast<int>(problem.b_leading),
                problem.is_accumulating ? 1.0F : 0.0F, static_cast<float*>(problem.c),
                static_cast<int>(problem.c_leading));
  }

 private:
  int threads_;
};

}  // namespace

std::unique_ptr<Matmul> make_blas_matmul(const KernelOptions& options) {
  return make_widened_matmul(std::make_unique<BlasMatmul>(options.threads));
}

}  // namespace ringworld
