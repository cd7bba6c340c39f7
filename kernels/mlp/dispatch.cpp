#include "core/error.hpp"
#include "kernels/mlp/mlp.hpp"
#include "kernels/row/backend_choice.hpp"

namespace ringworld {

void check_swiglu(const SwiGluForward& pass) {
  require(pass.up.is_like(pass.gate), "SwiGLU: up has not the shape and type of gate");
  require(pass.y.is_like(pass.gate), "SwiGLU: y has not the shape and type of gate");
}

void check_swiglu(const SwiGluBackward& pass) {
  require(pass.up.is_like(pass.gate) && pass.dy.is_like(pass.gate),
          "SwiGLU: up or dy has not the shape and type of gate");
  require(pass.dgate.is_like(pass.gate) && pass.dup.is_like(pass.gate),
          "SwiGLU: dgate or dup has not the shape and type of gate");
  require(pass.y.is_null() || pass.y.is_like(pass.gate), "SwiGLU: y has not the shape and type of gate");
}

std::unique_ptr<SwiGlu> make_swiglu(Backend backend) {
  return row::make<SwiGlu>(
      backend, {.reference = make_reference_swiglu, .kokkos = make_kokkos_swiglu, .cuda = make_cuda_swiglu});
}

}  // namespace ringworld
