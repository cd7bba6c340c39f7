#include "kernels/elementwise/kokkos/elements.hpp"
#include "kernels/elementwise/kokkos/launch.hpp"
#include "kernels/elementwise/kokkos/math.hpp"
#include "kernels/swiglu/swiglu.hpp"

namespace ringworld {
namespace {

using kokkos::RowsReader;
using kokkos::RowsWriter;

/// Written once: the backward pass returns the bits of the forward pass.
KOKKOS_INLINE_FUNCTION float silu(float gate) { return gate / (1.0F + kokkos::exponential(-gate)); }

struct ForwardKernel {
  RowsReader gate;
  RowsReader up;
  RowsWriter y;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t row, std::int64_t column) const {
    y(row, column, silu(gate(row, column)) * up(row, column));
  }
};

struct BackwardKernel {
  RowsReader dy;
  RowsReader gate;
  RowsReader up;
  RowsWriter dgate;
  RowsWriter dup;
  RowsWriter y;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t row, std::int64_t column) const {
    const float g = gate(row, column);
    const float u = up(row, column);
    const float gradient = dy(row, column);
    const float sigmoid = 1.0F / (1.0F + kokkos::exponential(-g));
    dgate(row, column, gradient * u * (sigmoid * (1.0F + g * (1.0F - sigmoid))));
    dup(row, column, gradient * silu(g));
    if (!y.is_null()) {
      y(row, column, silu(g) * u);
    }
  }
};

class KokkosSwiGlu final : public SwiGlu {
  void run_forward(const SwiGluForward& pass) override {
    kokkos::for_each_element("ringworld::swiglu::forward", pass.gate.rows, pass.gate.columns,
                             ForwardKernel{.gate = pass.gate, .up = pass.up, .y = pass.y});
  }

  void run_backward(const SwiGluBackward& pass) override {
    kokkos::for_each_element(
        "ringworld::swiglu::backward", pass.gate.rows, pass.gate.columns,
        BackwardKernel{
            .dy = pass.dy, .gate = pass.gate, .up = pass.up, .dgate = pass.dgate, .dup = pass.dup, .y = pass.y});
  }
};

}  // namespace

std::unique_ptr<SwiGlu> make_kokkos_swiglu(const KernelOptions& /*options*/) {
  return std::make_unique<KokkosSwiGlu>();
}

}  // namespace ringworld
