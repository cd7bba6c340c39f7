#include <utility>
#include <vector>

#include "kernels/matmul/host/libraries.hpp"

namespace ringworld {
namespace {

/// Rows and columns of a matrix in memory.
struct Extents {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};

/// Copies a bf16 matrix without the gaps between its rows.
void widen(const void* from, std::int64_t leading, Extents extents, std::vector<float>& to) {
  to.resize(static_cast<std::size_t>(extents.rows * extents.columns));
  for (std::int64_t i = 0; i < extents.rows; ++i) {
    const bf16* row = static_cast<const bf16*>(from) + i * leading;
    float* wide = to.data() + i * extents.columns;
    for (std::int64_t j = 0; j < extents.columns; ++j) {
      wide[j] = static_cast<float>(row[j]);
    }
  }
}

void narrow(const std::vector<float>& from, Extents extents, void* to, std::int64_t leading) {
  for (std::int64_t i = 0; i < extents.rows; ++i) {
    const float* wide = from.data() + i * extents.columns;
    bf16* row = static_cast<bf16*>(to) + i * leading;
    for (std::int64_t j = 0; j < extents.columns; ++j) {
      row[j] = bf16(wide[j]);
    }
  }
}

class WidenedMatmul final : public Matmul {
 public:
  explicit WidenedMatmul(std::unique_ptr<Matmul> fp32) : fp32_(std::move(fp32)) {}

  void run_multiply(const MatmulProblem& problem) override {
    if (problem.dtype == DType::float32) {
      fp32_->multiply(problem);
      return;
    }
    const auto stored = [](bool is_transposed, std::int64_t rows, std::int64_t columns) {
      return is_transposed ? Extents{columns, rows} : Extents{rows, columns};
    };
    const Extents a = stored(problem.is_a_transposed, problem.m, problem.k);
    const Extents b = stored(problem.is_b_transposed, problem.k, problem.n);
    const Extents c{problem.m, problem.n};
    widen(problem.a, problem.a_leading, a, a_);
    widen(problem.b, problem.b_leading, b, b_);
    MatmulProblem wide = problem;
    wide.dtype = DType::float32;
    wide.c_dtype = DType::float32;
    wide.a = a_.data();
    wide.a_leading = a.columns;
    wide.b = b_.data();
    wide.b_leading = b.columns;
    if (problem.c_dtype == DType::float32) {
      fp32_->multiply(wide);
      return;
    }
    c_.resize(static_cast<std::size_t>(c.rows * c.columns));
    if (problem.is_accumulating) {
      widen(problem.c, problem.c_leading, c, c_);
    }
    wide.c = c_.data();
    wide.c_leading = c.columns;
    fp32_->multiply(wide);
    narrow(c_, c, problem.c, problem.c_leading);
  }

 private:
  std::unique_ptr<Matmul> fp32_;
  std::vector<float> a_, b_, c_;
};

}  // namespace

std::unique_ptr<Matmul> make_widened_matmul(std::unique_ptr<Matmul> fp32) {
  return std::make_unique<WidenedMatmul>(std::move(fp32));
}

}  // namespace ringworld
