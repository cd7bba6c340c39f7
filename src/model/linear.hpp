#pragma once
/// @file  The three products of a linear layer y = x W^T, with W (out, in) as Hugging Face keeps it.
/// Shapes: x (T, in), y (T, out); rows may lie apart.

#include "kernels/elementwise/rows_view.hpp"
#include "model/compute.hpp"

namespace ringworld {

class Linear {
 public:
  /// `compute` must outlive this.
  explicit Linear(Compute& compute) : compute_(compute) {}

  /// y = x W^T.
  void forward(const ConstRowsView& x, const void* weight, const RowsView& y);
  /// dx = dy W.
  void input_gradient(const ConstRowsView& dy, const void* weight, const RowsView& dx);
  /// dW += dy^T x, fp32.
  void weight_gradient(const ConstRowsView& dy, const ConstRowsView& x, float* weight_gradient);

 private:
  void multiply(const MatmulProblem& problem);

  Compute& compute_;
};

}  // namespace ringworld
