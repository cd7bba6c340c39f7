/// @file  Products of a few rows with a weight matrix, y = x W^T: what a decoder asks for each token. W is read once, in its
/// own type, and its rows are shared among the threads; libraries copy it, or widen it as a whole.

#include <algorithm>
#include <utility>
#include <vector>

#include "kernels/elementwise/parallel.hpp"
#include "kernels/elementwise/row_functions.hpp"
#include "kernels/matmul/host/libraries.hpp"

namespace ringworld {
namespace {

/// Up to here a product waits for W, and not for arithmetic (kernels/matmul/README.md).
constexpr std::int64_t most_streamed_rows = 4;

/// Rows of W are folded so many at a time in the widest registers: a range ends on a multiple.
constexpr std::int64_t row_quantum = 16;

bool streams_weights(const MatmulProblem& problem) {
  return problem.m <= most_streamed_rows && !problem.is_a_transposed && problem.is_b_transposed && problem.m > 0 &&
         problem.n > 0 && problem.k > 0;
}

/// Rows of W that a range holds: enough bytes that handing out a range costs nothing beside reading them.
std::int64_t rows_of_range(std::int64_t columns) {
  const std::int64_t rows = row::rows_per_range(columns);
  return (rows + row_quantum - 1) / row_quantum * row_quantum;
}

class FewRowsMatmul final : public Matmul {
 public:
  FewRowsMatmul(std::int64_t threads, std::unique_ptr<Matmul> many)
      : threads_(static_cast<int>(threads)), many_(std::move(many)) {}

  void run_multiply(const MatmulProblem& problem) override {
    if (!streams_weights(problem)) {
      many_->multiply(problem);
      return;
    }
    const auto multiply = [&](auto type) { stream<decltype(type)>(problem); };
    with_type(problem.dtype, multiply);
  }

 private:
  template <class T>
  void stream(const MatmulProblem& problem) {
    const bool is_direct = problem.c_dtype == DType::float32 && !problem.is_accumulating;
    if (!is_direct) {
      sums_.resize(static_cast<std::size_t>(problem.m * problem.n));
    }
    const row::RowsProduct<T> whole{.m = problem.m,
                                    .n = problem.n,
                                    .k = problem.k,
                                    .a = floats_of<T>(problem),
                                    .a_leading = is_float<T> ? problem.a_leading : problem.k,
                                    .b = static_cast<const T*>(problem.b),
                                    .b_leading = problem.b_leading,
                                    .c = is_direct ? static_cast<float*>(problem.c) : sums_.data(),
                                    .c_leading = is_direct ? problem.c_leading : problem.n};
    row::for_each_range(threads_, problem.n, rows_of_range(problem.k), [&](std::int64_t begin, std::int64_t end) {
      row::RowsProduct<T> part = whole;
      part.n = end - begin;
      part.b += begin * part.b_leading;
      part.c += begin;
      functions_.of<T>().dot_products(part);
    });
    if (!is_direct) {
      with_type(problem.c_dtype, [&](auto type) { store<decltype(type)>(problem); });
    }
  }

  template <class T>
  static constexpr bool is_float = sizeof(T) == sizeof(float);

  /// The rows of A as fp32; widened ones lie one behind the other.
  template <class T>
  const float* floats_of(const MatmulProblem& problem) {
    if constexpr (is_float<T>) {
      return static_cast<const float*>(problem.a);
    } else {
      widened_.resize(static_cast<std::size_t>(problem.m * problem.k));
      for (std::int64_t i = 0; i < problem.m; ++i) {
        functions_.float32.copy_bfloat16(static_cast<const T*>(problem.a) + i * problem.a_leading,
                                         widened_.data() + i * problem.k, problem.k);
      }
      return widened_.data();
    }
  }

  /// The sums, or C with them added, rounded once.
  template <class T>
  void store(const MatmulProblem& problem) const {
    for (std::int64_t i = 0; i < problem.m; ++i) {
      const float* from = sums_.data() + i * problem.n;
      T* to = static_cast<T*>(problem.c) + i * problem.c_leading;
      for (std::int64_t j = 0; j < problem.n; ++j) {
        to[j] = static_cast<T>(problem.is_accumulating ? static_cast<float>(to[j]) + from[j] : from[j]);
      }
    }
  }

  int threads_;
  std::unique_ptr<Matmul> many_;
  const row::RowFunctions& functions_ = row::row_functions(selected_isa());
  std::vector<float> widened_;  // (m, k)
  std::vector<float> sums_;     // (m, n)
};

}  // namespace

std::unique_ptr<Matmul> make_few_rows_matmul(const KernelOptions& options, std::unique_ptr<Matmul> many) {
  return std::make_unique<FewRowsMatmul>(options.threads, std::move(many));
}

}  // namespace ringworld
