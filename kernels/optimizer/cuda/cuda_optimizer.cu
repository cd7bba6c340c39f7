#include <type_traits>

#include "device/buffer.hpp"
#include "device/cuda/launch.cuh"
#include "device/cuda/native_stream.hpp"
#include "device/device.hpp"
#include "kernels/elementwise/cuda/aligned.hpp"
#include "kernels/elementwise/cuda/block_reduce.cuh"
#include "kernels/elementwise/cuda/launch_shape.hpp"
#include "kernels/elementwise/cuda/map_rows.cuh"
#include "kernels/elementwise/cuda/pack.cuh"
#include "kernels/elementwise/cuda/sweep_row.cuh"
#include "kernels/optimizer/cuda/square_chunk.hpp"
#include "kernels/optimizer/optimizer.hpp"

namespace ringworld {
namespace {

using row::Floats;
using row::Pack;

template <bool HasCopy>
struct AdamWStep {
  static constexpr int width = HasCopy ? 8 : 4;
  static constexpr int unroll = HasCopy ? 1 : 2;
  float* parameter = nullptr;
  const float* gradient = nullptr;
  float* first_moment = nullptr;
  float* second_moment = nullptr;
  bf16* copy = nullptr;
  row::AdamWFactors factors;

  template <int Width>
  struct Operands {
    Pack<float, Width> parameter;
    Pack<float, Width> gradient;
    Pack<float, Width> first_moment;
    Pack<float, Width> second_moment;
  };

  template <int Width>
  __device__ __forceinline__ Operands<Width> load(std::int64_t /*row*/, std::int64_t i) const {
    return {row::load<Width>(static_cast<const float*>(parameter + i)), row::load<Width>(gradient + i),
            row::load<Width>(static_cast<const float*>(first_moment + i)),
            row::load<Width>(static_cast<const float*>(second_moment + i))};
  }

  template <int Width>
  __device__ __forceinline__ void finish(std::int64_t /*row*/, std::int64_t i, const Operands<Width>& operands) const {
    const Floats<Width> g = row::widened(operands.gradient);
    Floats<Width> p = row::widened(operands.parameter);
    Floats<Width> m = row::widened(operands.first_moment);
    Floats<Width> v = row::widened(operands.second_moment);
#pragma unroll
    for (int j = 0; j < Width; ++j) {
      // Fused by name: what a compiler fuses by itself may differ from one width to another, and with it the last bit.
      const float scaled = g[j] * factors.gradient_scale;
      m[j] = fmaf(factors.beta1, m[j], factors.one_minus_beta1 * scaled);
      v[j] = fmaf(factors.beta2, v[j], factors.one_minus_beta2 * (scaled * scaled));
      const float divisor = fmaf(sqrtf(v[j]), factors.inverse_root_correction, factors.epsilon);
      p[j] = fmaf(p[j], factors.decay, -(factors.step_size * m[j] / divisor));
    }
    row::store_floats(first_moment + i, m);
    row::store_floats(second_moment + i, v);
    row::store_floats(parameter + i, p);
    if constexpr (HasCopy) {
      row::store_floats(copy + i, p);
    }
  }
};

constexpr int square_threads = 256;
constexpr int packs_in_flight = 4;
constexpr std::int64_t chunk = cuda_square_chunk;

/// chunk_sums[c] = sum of the squares of chunk c.
template <int Width>
__global__ void __launch_bounds__(square_threads)
    square_kernel(const float* values, std::int64_t count, double* chunk_sums) {
  __shared__ row::BlockScratch<double> scratch;
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * chunk;
  const std::int64_t length = count - begin < chunk ? count - begin : chunk;
  double sum = 0;
  row::sweep_row<Width, packs_in_flight>(values + begin, length, [&](std::int64_t /*i*/, const auto& numbers) {
    constexpr int width = sizeof(numbers) / sizeof(float);
#pragma unroll
    for (int j = 0; j < width; ++j) {
      sum += static_cast<double>(numbers[j]) * static_cast<double>(numbers[j]);
    }
  });
  sum = row::block_reduce(sum, 0.0, row::Sum{}, scratch, 0);
  if (threadIdx.x == 0) {
    chunk_sums[blockIdx.x] = sum;
  }
}

/// total = sum of the chunks; one block.
__global__ void __launch_bounds__(square_threads)
    add_chunks_kernel(const double* chunk_sums, std::int64_t chunks, double* total) {
  __shared__ row::BlockScratch<double> scratch;
  double sum = 0;
  for (std::int64_t c = threadIdx.x; c < chunks; c += blockDim.x) {
    sum += chunk_sums[c];
  }
  sum = row::block_reduce(sum, 0.0, row::Sum{}, scratch, 0);
  if (threadIdx.x == 0) {
    *total = sum;
  }
}

class CudaOptimizer final : public Optimizer {
  void run_adamw(const AdamWRange& range, const AdamWOptions& options) override {
    const bool has_packs = row::is_aligned(range.parameter) && row::is_aligned(range.gradient) &&
                           row::is_aligned(range.first_moment) && row::is_aligned(range.second_moment) &&
                           row::is_aligned(range.bfloat16_copy);
    const auto step = [&]<bool HasCopy>(std::bool_constant<HasCopy>) {
      row::map_rows(AdamWStep<HasCopy>{.parameter = range.parameter.data(),
                                       .gradient = range.gradient.data(),
                                       .first_moment = range.first_moment.data(),
                                       .second_moment = range.second_moment.data(),
                                       .copy = range.bfloat16_copy.data(),
                                       .factors = factors_of(options)},
                    1, std::ssize(range.parameter), has_packs);
    };
    if (range.bfloat16_copy.empty()) {
      step(std::false_type{});
    } else {
      step(std::true_type{});
    }
  }

  /// The chunks of all ranges lie in one row, which is added up and waited for once.
  [[nodiscard]] double run_sum_of_squares(std::span<const std::span<const float>> ranges) override {
    std::int64_t chunks = 0;
    for (const std::span<const float> values : ranges) {
      chunks += row::divided_up(std::ssize(values), chunk);
    }
    const std::int64_t bytes = (chunks + 1) * static_cast<std::int64_t>(sizeof(double));
    if (sums_.bytes() < bytes) {
      sums_ = Buffer(bytes, DeviceKind::cuda);
    }
    auto* total = sums_.as<double>();
    double* of_range = total + 1;
    for (const std::span<const float> values : ranges) {
      const std::int64_t of_this = row::divided_up(std::ssize(values), chunk);
      if (of_this == 0) {
        continue;
      }
      launch(row::is_aligned(values) ? square_kernel<4> : square_kernel<1>,
             {.grid = dim3(static_cast<unsigned>(of_this)), .block = dim3(square_threads)}, native_compute_stream(),
             values.data(), std::ssize(values), of_range);
      of_range += of_this;
    }
    launch(add_chunks_kernel, {.grid = dim3(1), .block = dim3(square_threads)}, native_compute_stream(), total + 1,
           chunks, total);
    Stream& stream = cuda_device().compute_stream();
    cuda_device().copy(sum_on_host_.data(), total, sizeof(double), stream);
    stream.synchronize();
    return *sum_on_host_.as<double>();
  }

  Buffer sums_;  // the total, then those of the chunks
  Buffer sum_on_host_{sizeof(double), DeviceKind::pinned};
};

}  // namespace

std::unique_ptr<Optimizer> make_cuda_optimizer(const KernelOptions& /*options*/) {
  static_cast<void>(cuda_device());  // says what is missing where there is no GPU
  return std::make_unique<CudaOptimizer>();
}

}  // namespace ringworld
