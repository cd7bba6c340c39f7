#include "kernels/matmul/matmul.hpp"

namespace ringworld {
namespace {

/// Plain loops, double accumulators: the oracle.
class ReferenceMatmul final : public Matmul {
 public:
  void run_multiply(const MatmulProblem& problem) override {
    with_type(problem.dtype, [&](auto operand) {
      with_type(problem.c_dtype, [&](auto result) { run<decltype(operand), decltype(result)>(problem); });
    });
  }

 private:
  template <class Operand, class Result>
  static void run(const MatmulProblem& problem) {
    const auto* a = static_cast<const Operand*>(problem.a);
    const auto* b = static_cast<const Operand*>(problem.b);
    auto* c = static_cast<Result*>(problem.c);
    for (std::int64_t i = 0; i < problem.m; ++i) {
      for (std::int64_t j = 0; j < problem.n; ++j) {
        Result& element = c[i * problem.c_leading + j];
        double sum = problem.is_accumulating ? static_cast<double>(static_cast<float>(element)) : 0.0;
        for (std::int64_t k = 0; k < problem.k; ++k) {
          const auto left =
              static_cast<float>(problem.is_a_transposed ? a[k * problem.a_leading + i] : a[i * problem.a_leading + k]);
          const auto right =
              static_cast<float>(problem.is_b_transposed ? b[j * problem.b_leading + k] : b[k * problem.b_leading + j]);
          sum += static_cast<double>(left) * static_cast<double>(right);
        }
        element = static_cast<Result>(static_cast<float>(sum));
      }
    }
  }
};

}  // namespace

std::unique_ptr<Matmul> make_reference_matmul(const KernelOptions& /*options*/) {
  return std::make_unique<ReferenceMatmul>();
}

}  // namespace ringworld
