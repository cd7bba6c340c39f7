#pragma once
/// @file  The activation between the matrix products of the feed-forward block.
/// Source: Shazeer, "GLU Variants Improve Transformer", arXiv:2002.05202, equation 6 (SwiGLU).
/// Shapes: T rows (tokens), F columns (ffn_size); gate and up may be the two halves of one (T, 2F) buffer.
///
///   y = silu(gate) * up,  silu(g) = g / (1 + e^-g)

#include <memory>

#include "device/backend.hpp"
#include "kernels/row/rows_view.hpp"

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
class SwiGlu {
 public:
  virtual ~SwiGlu() = default;
  /// @throws Error when a shape or type contradicts another.
  /// Cost: one pass over gate, up and y.
  virtual void forward(const SwiGluForward& pass) = 0;
  /// Cost: one pass over dy, gate, up, dgate, dup and, where it is wanted, y.
  virtual void backward(const SwiGluBackward& pass) = 0;
};

/// @throws Error(bad_input) when the backend was not built.
[[nodiscard]] std::unique_ptr<SwiGlu> make_swiglu(Backend backend);

[[nodiscard]] std::unique_ptr<SwiGlu> make_reference_swiglu();
[[nodiscard]] std::unique_ptr<SwiGlu> make_kokkos_swiglu();
[[nodiscard]] std::unique_ptr<SwiGlu> make_cuda_swiglu();

/// Checks that shapes and types fit each other; every backend calls these first.
void check_swiglu(const SwiGluForward& pass);
void check_swiglu(const SwiGluBackward& pass);

}  // namespace ringworld
