#include "kernels/convolution/convolution.hpp"

#include "core/error.hpp"
#include "kernels/convolution/cost.hpp"

namespace ringworld {
namespace {

template <class T>
bool is_dense(const TensorView<T, 4>& view) {
  return view.strides == row_major_strides(view.shape);
}

void check_operands(const ConvolutionShape& shape, const TensorView<const float, 4>& x,
                    const TensorView<const float, 4>& weight, const TensorView<const float, 4>& y) {
  require(shape.kernel >= 1 && shape.stride >= 1, "convolution: the kernel or the stride is not positive");
  require(shape.pad_begin >= 0 && shape.pad_begin < shape.kernel && shape.pad_end >= 0 && shape.pad_end < shape.kernel,
          "convolution: a pad is negative or not smaller than the kernel");
  require(is_dense(x) && is_dense(weight) && is_dense(y), "convolution: an operand is not dense");
  require(weight.shape[0] == shape.kernel && weight.shape[1] == shape.kernel,
          "convolution: the weight has not the taps of the shape");
  require(weight.shape[2] == x.shape[3], "convolution: the weight has not the input channels of x");
  require(weight.shape[2] >= 1 && weight.shape[3] >= 1, "convolution: there are no channels");
  const ConvolutionExtents extents(shape, x.shape, weight.shape);
  require(x.shape[0] >= 0 && extents.out_height() >= 1 && extents.out_width() >= 1,
          "convolution: the kernel does not fit into the padded frame");
  require(y.shape == std::array{x.shape[0], extents.out_height(), extents.out_width(), extents.outputs},
          "convolution: y or dy has not the shape that x and the weight give");
}

void check(const ConvolutionForward& pass) { check_operands(pass.shape, pass.x, pass.weight, pass.y); }

void check(const ConvolutionBackward& pass) {
  check_operands(pass.shape, pass.x, pass.weight, pass.dy);
  require(pass.dweight.shape == pass.weight.shape && is_dense(pass.dweight),
          "convolution: dweight has not the shape of the weight, or is not dense");
  require(pass.dx.is_null() || (pass.dx.shape == pass.x.shape && is_dense(pass.dx)),
          "convolution: dx has not the shape of x, or is not dense");
}

}  // namespace

void Convolution::forward(const ConvolutionForward& pass) {
  check(pass);
  charge(cost_of(pass));
  run_forward(pass);
}

void Convolution::backward(const ConvolutionBackward& pass) {
  check(pass);
  charge(cost_of(pass));
  run_backward(pass);
}

}  // namespace ringworld
