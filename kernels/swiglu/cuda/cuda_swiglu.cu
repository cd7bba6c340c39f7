#include "device/device.hpp"
#include "kernels/elementwise/cuda/aligned.hpp"
#include "kernels/elementwise/cuda/map_rows.cuh"
#include "kernels/elementwise/cuda/pack.cuh"
#include "kernels/elementwise/cuda/rows.cuh"
#include "kernels/swiglu/swiglu.hpp"

namespace ringworld {
namespace {

using row::Floats;
using row::Pack;
using row::Rows;
using row::rows_of;

__device__ __forceinline__ float sigmoid(float x) { return 1.0F / (1.0F + expf(-x)); }

template <class T>
struct SwiGluValue {
  static constexpr int width = row::access_width<T>;
  static constexpr int unroll = 2;
  Rows<const T> gate;
  Rows<const T> up;
  Rows<T> y;

  template <int Width>
  struct Operands {
    Pack<T, Width> gate;
    Pack<T, Width> up;
  };

  template <int Width>
  __device__ __forceinline__ Operands<Width> load(std::int64_t row, std::int64_t column) const {
    return {row::load<Width>(gate.at(row, column)), row::load<Width>(up.at(row, column))};
  }

  template <int Width>
  __device__ __forceinline__ void finish(std::int64_t row, std::int64_t column, const Operands<Width>& operands) const {
    const Floats<Width> g = row::widened(operands.gate);
    const Floats<Width> u = row::widened(operands.up);
    Floats<Width> result;
#pragma unroll
    for (int i = 0; i < Width; ++i) {
      result[i] = g[i] * sigmoid(g[i]) * u[i];
    }
    row::store_floats(y.at(row, column), result);
  }
};

/// silu'(g) = s + g s (1 - s) with s = sigmoid(g).
template <class T>
struct SwiGluGradient {
  static constexpr int width = row::access_width<T>;
  static constexpr int unroll = 2;
  Rows<const T> dy;
  Rows<const T> gate;
  Rows<const T> up;
  Rows<T> dgate;
  Rows<T> dup;
  Rows<T> y;  // null: not wanted

  template <int Width>
  struct Operands {
    Pack<T, Width> dy;
    Pack<T, Width> gate;
    Pack<T, Width> up;
  };

  template <int Width>
  __device__ __forceinline__ Operands<Width> load(std::int64_t row, std::int64_t column) const {
    return {row::load<Width>(dy.at(row, column)), row::load<Width>(gate.at(row, column)),
            row::load<Width>(up.at(row, column))};
  }

  template <int Width>
  __device__ __forceinline__ void finish(std::int64_t row, std::int64_t column, const Operands<Width>& operands) const {
    const Floats<Width> d = row::widened(operands.dy);
    const Floats<Width> g = row::widened(operands.gate);
    const Floats<Width> u = row::widened(operands.up);
    Floats<Width> by_gate;
    Floats<Width> by_up;
    Floats<Width> again;
#pragma unroll
    for (int i = 0; i < Width; ++i) {
      const float share = sigmoid(g[i]);
      const float silu = g[i] * share;
      by_gate[i] = d[i] * u[i] * (share + silu * (1.0F - share));
      by_up[i] = d[i] * silu;
      again[i] = silu * u[i];
    }
    row::store_floats(dgate.at(row, column), by_gate);
    row::store_floats(dup.at(row, column), by_up);
    if (y.data != nullptr) {
      row::store_floats(y.at(row, column), again);
    }
  }
};

class CudaSwiGlu final : public SwiGlu {
  void run_forward(const SwiGluForward& pass) override {
    const bool has_packs = row::is_aligned(pass.gate) && row::is_aligned(pass.up) && row::is_aligned(pass.y);
    with_type(pass.gate.dtype, [&](auto element) {
      using T = decltype(element);
      row::map_rows(SwiGluValue<T>{rows_of<T>(pass.gate), rows_of<T>(pass.up), rows_of<T>(pass.y)}, pass.gate.rows,
                    pass.gate.columns, has_packs);
    });
  }

  void run_backward(const SwiGluBackward& pass) override {
    const bool has_packs = row::is_aligned(pass.dy) && row::is_aligned(pass.gate) && row::is_aligned(pass.up) &&
                           row::is_aligned(pass.dgate) && row::is_aligned(pass.dup) && row::is_aligned(pass.y);
    with_type(pass.gate.dtype, [&](auto element) {
      using T = decltype(element);
      row::map_rows(SwiGluGradient<T>{rows_of<T>(pass.dy), rows_of<T>(pass.gate), rows_of<T>(pass.up),
                                      rows_of<T>(pass.dgate), rows_of<T>(pass.dup), rows_of<T>(pass.y)},
                    pass.gate.rows, pass.gate.columns, has_packs);
    });
  }
};

}  // namespace

std::unique_ptr<SwiGlu> make_cuda_swiglu(const KernelOptions& /*options*/) {
  static_cast<void>(cuda_device());  // says what is missing where there is no GPU
  return std::make_unique<CudaSwiGlu>();
}

}  // namespace ringworld
