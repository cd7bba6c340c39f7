#pragma once
/// @file  What is done once a row, before and after the blocks: reset, merge, rescale, finalize, output .
/// gradient.

#include <Kokkos_Core.hpp>
#include <cstdint>

#include "kernels/attention/kokkos/views.hpp"
#include "kernels/elementwise/kokkos/math.hpp"

namespace ringworld::kokkos {

/// Rows (batch, head, token), a thread each.
using RowPolicy = Kokkos::MDRangePolicy<ExecutionSpace, Kokkos::Rank<3>>;

/// The state of a query that has seen no key.
struct ResetKernel {
  StateViews state;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t b, std::int64_t h, std::int64_t i) const {
    state.maximum(b, h, i) = minus_infinity;
    state.sum(b, h, i) = 0.0F;
  }
};

/// e^(maximum - largest), which makes sums relative to `maximum` relative to `largest`; 0 where no key was seen,
/// whatever the largest is: -inf - (-inf) is no number.
KOKKOS_INLINE_FUNCTION float factor_of(float maximum, float largest) {
  return maximum == minus_infinity ? 0.0F : exponential(maximum - largest);
}

/// The state of two sets of keys from the states of each.
struct MergeKernel {
  StateViews from;
  StateViews into;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t b, std::int64_t h, std::int64_t i) const {
    const float added = from.maximum(b, h, i);
    const float present = into.maximum(b, h, i);
    const float largest = present < added ? added : present;
    const float factor = factor_of(present, largest);
    const float added_factor = factor_of(added, largest);
    into.maximum(b, h, i) = largest;
    // Also where nothing was seen: a sum that is no number must show.
    into.sum(b, h, i) = factor * into.sum(b, h, i) + added_factor * from.sum(b, h, i);
    if (added == minus_infinity) {
      return;
    }
    for (std::size_t d = 0; d < into.output.extent(3); ++d) {
      const float kept = present == minus_infinity ? 0.0F : factor * into.output(b, h, i, d);
      into.output(b, h, i, d) = kept + added_factor * from.output(b, h, i, d);
    }
  }
};

/// A state made relative to another maximum.
struct RescaleKernel {
  StridedView<const float, 3> maximum;  ///< (B, H, Tq)
  StateViews state;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t b, std::int64_t h, std::int64_t i) const {
    const float own = state.maximum(b, h, i);
    const float factor = factor_of(own, maximum(b, h, i));
    state.maximum(b, h, i) = maximum(b, h, i);
    state.sum(b, h, i) *= factor;
    for (std::size_t d = 0; d < state.output.extent(3); ++d) {
      state.output(b, h, i, d) = own == minus_infinity ? 0.0F : factor * state.output(b, h, i, d);
    }
  }
};

/// Zeros in a (B, T, H, D) tensor.
struct ClearKernel {
  StridedView<float, 4> to;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t b, std::int64_t h, std::int64_t t) const {
    for (std::size_t d = 0; d < to.extent(3); ++d) {
      to(b, t, h, d) = 0.0F;
    }
  }
};

/// out = output / sum; 0 where no key was seen.
struct FinalizeKernel {
  StateViews state;
  ActivationWriter out;  ///< (B, Tq, H, D)

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t b, std::int64_t h, std::int64_t i) const {
    const float sum = state.sum(b, h, i);
    const bool has_seen_a_key = sum != 0.0F;  // true of a sum that is no number, which the result must show
    for (std::size_t d = 0; d < state.output.extent(3); ++d) {
      out(b, i, h, static_cast<std::int64_t>(d), has_seen_a_key ? state.output(b, h, i, d) / sum : 0.0F);
    }
  }
};

/// delta = sum over D of out * dout.
struct OutputDotGradientKernel {
  ActivationReader out;         ///< (B, Tq, H, D)
  ActivationReader dout;        ///< (B, Tq, H, D)
  StridedView<float, 3> delta;  ///< (B, H, Tq)
  std::int64_t head_size;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t b, std::int64_t h, std::int64_t i) const {
    float sum = 0.0F;
    for (std::int64_t d = 0; d < head_size; ++d) {
      sum += out(b, i, h, d) * dout(b, i, h, d);
    }
    delta(b, h, i) = sum;
  }
};

}  // namespace ringworld::kokkos
