#pragma once
/// @file  The activation between the matrix products of the feed-forward block.
/// Source: Shazeer, "GLU Variants Improve Transformer", arXiv:2002.05202, equation 6 (SwiGLU).
/// Shapes: T rows (tokens), F columns (ffn_size); gate and up may be the two halves of one (T, 2F) buffer.
///
///   y = silu(gate) * up,  silu(g) = g / (1 + e^-g)

#include <memory>

#include "device/backend.hpp"
#include "kernels/contract/kernel.hpp"
#include "kernels/contract/kernel_options.hpp"
#include "kernels/elementwise/rows_view.hpp"

namespace ringworld {

struct SwiGluForward {
  ConstRowsView gate;  ///< (T, F)
  ConstRowsView up;    ///< (T, F)
  RowsView y;          ///< (T, F), overwritten; may be gate or up
};

struct SwiGluBackward {
  ConstRowsView dy;    ///< (T, F)
  ConstRowsView gate;  ///< (T, F)
  ConstRowsView up;    ///< (T, F)
  RowsView dgate;      ///< (T, F), overwritten; may be gate
  RowsView dup;        ///< (T, F), overwritten; may be up
  RowsView y;          ///< (T, F), receives the forward pass's result again, may be dy; null: not wanted
};

/// All operands are of one type; arithmetic is fp32.
class SwiGlu : public Kernel {
 public:
  /// @throws Error when a shape or type contradicts another.
  /// Cost: one pass over gate, up and y.
  void forward(const SwiGluForward& pass);
  /// Cost: one pass over dy, gate, up, dgate, dup and, where it is wanted, y.
  void backward(const SwiGluBackward& pass);

 private:
  // The computation of a backend; operands are checked and the cost is charged before these calls.
  virtual void run_forward(const SwiGluForward& pass) = 0;
  virtual void run_backward(const SwiGluBackward& pass) = 0;
};

/// @throws Error(bad_input) when the backend was not built.
[[nodiscard]] std::unique_ptr<SwiGlu> make_swiglu(Backend backend, const KernelOptions& options = {});

}  // namespace ringworld
