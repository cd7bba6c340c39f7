#include "kernels/swiglu/swiglu.hpp"

#include "core/error.hpp"
#include "kernels/swiglu/cost.hpp"

namespace ringworld {
namespace {

void check(const SwiGluForward& pass) {
  require(pass.up.is_like(pass.gate), "SwiGLU: up has not the shape and type of gate");
  require(pass.y.is_like(pass.gate), "SwiGLU: y has not the shape and type of gate");
}

void check(const SwiGluBackward& pass) {
  require(pass.up.is_like(pass.gate) && pass.dy.is_like(pass.gate),
          "SwiGLU: up or dy has not the shape and type of gate");
  require(pass.dgate.is_like(pass.gate) && pass.dup.is_like(pass.gate),
          "SwiGLU: dgate or dup has not the shape and type of gate");
  require(pass.y.is_null() || pass.y.is_like(pass.gate), "SwiGLU: y has not the shape and type of gate");
}

}  // namespace

void SwiGlu::forward(const SwiGluForward& pass) {
  check(pass);
  charge(cost_of(pass));
  run_forward(pass);
}

void SwiGlu::backward(const SwiGluBackward& pass) {
  check(pass);
  charge(cost_of(pass));
  run_backward(pass);
}

}  // namespace ringworld
