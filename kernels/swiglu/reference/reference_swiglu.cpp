#include "kernels/elementwise/widened_row.hpp"
#include "kernels/swiglu/reference/swiglu.hpp"
#include "kernels/swiglu/swiglu.hpp"

namespace ringworld {
namespace {

using row::narrow;
using row::widened;

class ReferenceSwiGlu final : public SwiGlu {
  void run_forward(const SwiGluForward& pass) override {
    for (std::int64_t t = 0; t < pass.gate.rows; ++t) {
      const std::vector<double> gate = widened(pass.gate, t);
      std::vector<double> y = widened(pass.up, t);
      for (std::size_t f = 0; f < y.size(); ++f) {
        y[f] = reference::swiglu(gate[f], y[f]);
      }
      narrow(y, pass.y, t);
    }
  }

  void run_backward(const SwiGluBackward& pass) override {
    for (std::int64_t t = 0; t < pass.gate.rows; ++t) {
      const std::vector<double> dy = widened(pass.dy, t);
      std::vector<double> gate = widened(pass.gate, t);
      std::vector<double> up = widened(pass.up, t);
      std::vector<double> y(dy.size());
      for (std::size_t f = 0; f < dy.size(); ++f) {
        y[f] = reference::swiglu(gate[f], up[f]);
        const auto gradient = reference::swiglu_backward(dy[f], gate[f], up[f]);
        gate[f] = gradient.dgate;
        up[f] = gradient.dup;
      }
      narrow(gate, pass.dgate, t);
      narrow(up, pass.dup, t);
      if (!pass.y.is_null()) {
        narrow(y, pass.y, t);
      }
    }
  }
};

}  // namespace

std::unique_ptr<SwiGlu> make_reference_swiglu(const KernelOptions& /*options*/) {
  return std::make_unique<ReferenceSwiGlu>();
}

}  // namespace ringworld
