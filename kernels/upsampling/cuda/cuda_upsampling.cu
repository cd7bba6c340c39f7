#include "device/device.hpp"
#include "kernels/elementwise/cuda/aligned.hpp"
#include "kernels/elementwise/cuda/map_rows.cuh"
#include "kernels/elementwise/cuda/pack.cuh"
#include "kernels/upsampling/upsampling.hpp"

/// @file  Up-sampling by two on NVIDIA GPUs: a thread takes neighbouring channels of a small pixel and its whole block.

namespace ringworld {
namespace {

using row::Floats;
using row::Pack;

/// Rows are rows of the small frames, columns the floats of such a row.
struct Grid {
  std::int64_t width = 0;  // of the small frames
  std::int64_t channels = 0;

  /// Where the upper left pixel of the block lies in the large frames; `right` and `below` lead to its neighbours.
  __device__ __forceinline__ std::int64_t large(std::int64_t row, std::int64_t column) const {
    return row * 2 * below() + column / channels * channels + column;
  }
  __device__ __forceinline__ std::int64_t small(std::int64_t row, std::int64_t column) const {
    return row * width * channels + column;
  }
  __device__ __forceinline__ std::int64_t right() const { return channels; }
  __device__ __forceinline__ std::int64_t below() const { return 2 * width * channels; }
};

struct Spread {
  static constexpr int width = 4;
  static constexpr int unroll = 2;
  Grid grid;
  const float* x = nullptr;
  float* y = nullptr;

  template <int Width>
  __device__ __forceinline__ Pack<float, Width> load(std::int64_t row, std::int64_t column) const {
    return row::load<Width>(x + grid.small(row, column));
  }
  template <int Width>
  __device__ __forceinline__ void finish(std::int64_t row, std::int64_t column, const Pack<float, Width>& pack) const {
    float* upper = y + grid.large(row, column);
    float* lower = upper + grid.below();
    row::store<Width>(upper, pack);
    row::store<Width>(upper + grid.right(), pack);
    row::store<Width>(lower, pack);
    row::store<Width>(lower + grid.right(), pack);
  }
};

struct Gather {
  static constexpr int width = 4;
  static constexpr int unroll = 2;
  Grid grid;
  const float* dy = nullptr;
  float* dx = nullptr;

  template <int Width>
  struct Block {
    Pack<float, Width> upper[2];
    Pack<float, Width> lower[2];
  };

  template <int Width>
  __device__ __forceinline__ Block<Width> load(std::int64_t row, std::int64_t column) const {
    const float* upper = dy + grid.large(row, column);
    const float* lower = upper + grid.below();
    return {{row::load<Width>(upper), row::load<Width>(upper + grid.right())},
            {row::load<Width>(lower), row::load<Width>(lower + grid.right())}};
  }
  template <int Width>
  __device__ __forceinline__ void finish(std::int64_t row, std::int64_t column, const Block<Width>& block) const {
    const Floats<Width> a = row::widened(block.upper[0]);
    const Floats<Width> b = row::widened(block.upper[1]);
    const Floats<Width> c = row::widened(block.lower[0]);
    const Floats<Width> d = row::widened(block.lower[1]);
    Floats<Width> sum;
#pragma unroll
    for (int i = 0; i < Width; ++i) {
      sum[i] = (a[i] + b[i]) + (c[i] + d[i]);
    }
    row::store_floats(dx + grid.small(row, column), sum);
  }
};

class CudaUpsampling final : public Upsampling {
  void run_forward(const UpsamplingForward& pass) override {
    run(Spread{.grid = grid_of(pass.x.shape), .x = pass.x.data, .y = pass.y.data}, pass.x.shape,
        row::is_aligned(pass.x.data) && row::is_aligned(pass.y.data));
  }

  void run_backward(const UpsamplingBackward& pass) override {
    run(Gather{.grid = grid_of(pass.dx.shape), .dy = pass.dy.data, .dx = pass.dx.data}, pass.dx.shape,
        row::is_aligned(pass.dy.data) && row::is_aligned(pass.dx.data));
  }

  using Shape = std::array<std::int64_t, 4>;

  static Grid grid_of(const Shape& small) { return {.width = small[2], .channels = small[3]}; }

  template <class Operation>
  static void run(const Operation& operation, const Shape& small, bool is_aligned) {
    const auto& [frames, height, width, channels] = small;
    if (frames * height * width * channels > 0) {
      row::map_rows(operation, frames * height, width * channels, is_aligned && channels % Operation::width == 0);
    }
  }
};

}  // namespace

std::unique_ptr<Upsampling> make_cuda_upsampling(const KernelOptions& /*options*/) {
  static_cast<void>(cuda_device());  // says what is missing where there is no GPU
  return std::make_unique<CudaUpsampling>();
}

}  // namespace ringworld
