#include "kernels/matmul/matmul.hpp"

namespace ringworld {
namespace {

/// Plain loops, double accumulators: the oracle.
class ReferenceMatmul final : public Matmul {
 public:
  void multiply(const MatmulProblem& problem) override {
    check_matmul(problem);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      for (std::int64_t j = 0; j < problem.n; ++j) {
        float& c = problem.c[i * problem.c_leading + j];
        double sum = problem.is_accumulating ? static_cast<double>(c) : 0.0;
        for (std::int64_t k = 0; k < problem.k; ++k) {
          const float a =
              problem.is_a_transposed ? problem.a[k * problem.a_leading + i] : problem.a[i * problem.a_leading + k];
          const float b =
              problem.is_b_transposed ? problem.b[j * problem.b_leading + k] : problem.b[k * problem.b_leading + j];
          sum += static_cast<double>(a) * static_cast<double>(b);
        }
        c = static_cast<float>(sum);
      }
    }
  }
};

}  // namespace

std::unique_ptr<Matmul> make_reference_matmul() { return std::make_unique<ReferenceMatmul>(); }

}  // namespace ringworld
