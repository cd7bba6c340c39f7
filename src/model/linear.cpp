#include "model/linear.hpp"

namespace ringworld {

void Linear::multiply(const MatmulProblem& problem) {
  const auto scope = compute_.scope(Work::product);
  compute_.matmul().multiply(problem);
}

void Linear::forward(const ConstRowsView& x, const void* weight, const RowsView& y) {
  multiply({.m = x.rows,
            .n = y.columns,
            .k = x.columns,
            .dtype = x.dtype,
            .c_dtype = y.dtype,
            .a = x.data,
            .a_leading = x.row_stride,
            .b = weight,
            .b_leading = x.columns,
            .is_b_transposed = true,
            .c = y.data,
            .c_leading = y.row_stride});
}

void Linear::input_gradient(const ConstRowsView& dy, const void* weight, const RowsView& dx) {
  multiply({.m = dy.rows,
            .n = dx.columns,
            .k = dy.columns,
            .dtype = dy.dtype,
            .c_dtype = dx.dtype,
            .a = dy.data,
            .a_leading = dy.row_stride,
            .b = weight,
            .b_leading = dx.columns,
            .c = dx.data,
            .c_leading = dx.row_stride});
}

void Linear::weight_gradient(const ConstRowsView& dy, const ConstRowsView& x, float* weight_gradient) {
  multiply({.m = dy.columns,
            .n = x.columns,
            .k = dy.rows,
            .dtype = x.dtype,
            .a = dy.data,
            .a_leading = dy.row_stride,
            .is_a_transposed = true,
            .b = x.data,
            .b_leading = x.row_stride,
            .c = weight_gradient,
            .c_leading = x.columns,
            .is_accumulating = true});
}

}  // namespace ringworld
