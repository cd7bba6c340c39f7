#include <array>
#include <cmath>

#include "device/cuda/launch.cuh"
#include "device/cuda/native_stream.hpp"
#include "device/device.hpp"
#include "kernels/elementwise/cuda/aligned.hpp"
#include "kernels/elementwise/cuda/block_reduce.cuh"
#include "kernels/elementwise/cuda/launch_shape.hpp"
#include "kernels/elementwise/cuda/map_rows.cuh"
#include "kernels/elementwise/cuda/multiprocessors.hpp"
#include "kernels/elementwise/cuda/pack.cuh"
#include "kernels/elementwise/cuda/rows.cuh"
#include "kernels/elementwise/cuda/sweep_row.cuh"
#include "kernels/loss/loss.hpp"

/// @file  Cross-entropy on NVIDIA GPUs: a block takes a row. Maximum and sum of exponentials are found in one reading.
/// Source: Milakov, Gimelshein, "Online normalizer calculation for softmax", arXiv:1805.02867, algorithm 3.
///
/// The gradient reads a row a second time. Few rows are under way at once (sweep_shape: 34 MB of V = 32,000 on 132
/// multiprocessors), so that the L2 cache still has it; with longer vocabularies the second reading goes to memory.

namespace ringworld {
namespace {

using row::Floats;
using row::Pack;
using row::Rows;

constexpr int packs_in_flight = 4;

/// Of some logits: the largest, and the sum of e^(logit - largest).
struct SoftmaxState {
  float maximum;
  float sum;
};

__device__ __forceinline__ SoftmaxState shuffled(SoftmaxState state, int distance) {
  return {row::shuffled(state.maximum, distance), row::shuffled(state.sum, distance)};
}

__device__ __forceinline__ SoftmaxState nothing() { return {-INFINITY, 0.0F}; }

/// What exponents are relative to: -inf less -inf would not be a number.
__device__ __forceinline__ float base_of(float maximum) { return maximum == -INFINITY ? 0.0F : maximum; }

struct Join {
  __device__ __forceinline__ SoftmaxState operator()(const SoftmaxState& a, const SoftmaxState& b) const {
    const float maximum = fmaxf(a.maximum, b.maximum);
    const float base = base_of(maximum);
    return {maximum, a.sum * expf(a.maximum - base) + b.sum * expf(b.maximum - base)};
  }
};

struct Larger {
  __device__ __forceinline__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

template <int Width>
__device__ __forceinline__ void include(SoftmaxState& state, const Floats<Width>& logits) {
  float maximum = state.maximum;
#pragma unroll
  for (int i = 0; i < Width; ++i) {
    maximum = fmaxf(maximum, logits[i]);
  }
  const float base = base_of(maximum);
  if (maximum > state.maximum) {
    state.sum *= expf(state.maximum - base);
    state.maximum = maximum;
  }
#pragma unroll
  for (int i = 0; i < Width; ++i) {
    state.sum += expf(logits[i] - base);
  }
}

struct LossOperands {
  Rows<const float> logits;
  Rows<float> dlogits;  // the same; null in a forward pass
  const std::int32_t* targets = nullptr;
  const float* weights = nullptr;
  float* nll = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};

template <int Width>
__global__ void __launch_bounds__(row::most_sweep_threads, 2) loss_kernel(LossOperands operands) {
  __shared__ row::BlockScratch<SoftmaxState> scratch;
  int side = 0;
  for (std::int64_t t = blockIdx.x; t < operands.rows; t += gridDim.x) {
    const std::int64_t target = operands.targets[t];
    const bool is_ignored = target < 0;
    const float* logits = operands.logits.at(t, 0);
    SoftmaxState state = nothing();
    if (!is_ignored) {
      // No one may look at targets before the launch: one outside of the vocabulary makes its loss, which people watch,
      // not a number.
      const float target_logit = target < operands.columns ? logits[target] : NAN;
      row::sweep_row<Width, packs_in_flight>(
          logits, operands.columns, [&](std::int64_t /*column*/, const auto& numbers) { include(state, numbers); });
      state = row::block_reduce(state, nothing(), Join{}, scratch, side);
      side = 1 - side;
      if (threadIdx.x == 0) {
        operands.nll[t] = logf(state.sum) + (state.maximum - target_logit);
      }
    } else if (threadIdx.x == 0) {
      operands.nll[t] = 0.0F;
    }
    if (operands.dlogits.data == nullptr) {
      continue;
    }
    const float weight = is_ignored ? 0.0F : operands.weights[t];
    const float factor = is_ignored ? 0.0F : weight / state.sum;
    row::sweep_row<Width, packs_in_flight>(logits, operands.columns, [&](std::int64_t column, auto numbers) {
      constexpr int width = sizeof(numbers) / sizeof(float);
#pragma unroll
      for (int i = 0; i < width; ++i) {
        const float share = is_ignored ? 0.0F : expf(numbers[i] - state.maximum) * factor;
        numbers[i] = column + i == target ? share - weight : share;
      }
      row::store_floats(operands.dlogits.at(t, column), numbers);
    });
  }
}

template <int Width>
__global__ void __launch_bounds__(row::most_sweep_threads)
    maximum_kernel(Rows<const float> logits, std::int64_t rows, std::int64_t columns, float* maximum) {
  __shared__ row::BlockScratch<float> scratch;
  int side = 0;
  for (std::int64_t t = blockIdx.x; t < rows; t += gridDim.x) {
    float largest = -INFINITY;
    row::sweep_row<Width, packs_in_flight>(logits.at(t, 0), columns, [&](std::int64_t /*column*/, const auto& numbers) {
      constexpr int width = sizeof(numbers) / sizeof(float);
#pragma unroll
      for (int i = 0; i < width; ++i) {
        largest = fmaxf(largest, numbers[i]);
      }
    });
    largest = row::block_reduce(largest, -INFINITY, Larger{}, scratch, side);
    side = 1 - side;
    if (threadIdx.x == 0) {
      maximum[t] = largest;
    }
  }
}

struct ShardOperands {
  Rows<float> logits;
  const std::int32_t* targets = nullptr;
  std::int64_t vocab_begin = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};

template <int Width>
__global__ void __launch_bounds__(row::most_sweep_threads)
    exponentials_kernel(ShardOperands shard, const float* maximum, float* sum, float* target_logit) {
  __shared__ row::BlockScratch<float> scratch;
  int side = 0;
  for (std::int64_t t = blockIdx.x; t < shard.rows; t += gridDim.x) {
    const bool is_ignored = shard.targets[t] < 0;
    const std::int64_t target = shard.targets[t] - shard.vocab_begin;
    const bool is_here = !is_ignored && target >= 0 && target < shard.columns;
    float* logits = shard.logits.at(t, 0);
    float total = 0;
    if (threadIdx.x == 0) {
      target_logit[t] = is_here ? logits[target] : 0.0F;
    }
    __syncthreads();  // the target's logit is read before it is overwritten
    if (!is_ignored) {
      const float base = maximum[t];
      row::sweep_row<Width, packs_in_flight>(logits, shard.columns, [&](std::int64_t column, auto numbers) {
        constexpr int width = sizeof(numbers) / sizeof(float);
#pragma unroll
        for (int i = 0; i < width; ++i) {
          numbers[i] = expf(numbers[i] - base);
          total += numbers[i];
        }
        row::store_floats(logits + column, numbers);
      });
      total = row::block_reduce(total, 0.0F, row::Sum{}, scratch, side);
      side = 1 - side;
    }
    if (threadIdx.x == 0) {
      sum[t] = total;
    }
  }
}

/// weight (exponential / sum - [target]).
struct ShardGradient {
  static constexpr int width = 4;
  static constexpr int unroll = 4;
  ShardOperands shard;
  const float* sum = nullptr;
  const float* weights = nullptr;

  template <int Width>
  __device__ __forceinline__ Pack<float, Width> load(std::int64_t row, std::int64_t column) const {
    return row::load<Width>(static_cast<const float*>(shard.logits.at(row, column)));
  }

  template <int Width>
  __device__ __forceinline__ void finish(std::int64_t row, std::int64_t column, const Pack<float, Width>& pack) const {
    const bool is_ignored = shard.targets[row] < 0;
    const std::int64_t target = shard.targets[row] - shard.vocab_begin;
    const float weight = is_ignored ? 0.0F : weights[row];
    const float factor = is_ignored ? 0.0F : weight / sum[row];
    Floats<Width> numbers = row::widened(pack);
#pragma unroll
    for (int i = 0; i < Width; ++i) {
      const float share = is_ignored ? 0.0F : numbers[i] * factor;
      numbers[i] = column + i == target ? share - weight : share;
    }
    row::store_floats(shard.logits.at(row, column), numbers);
  }
};

class CudaCrossEntropy final : public CrossEntropy {
  [[nodiscard]] bool can_host_read_operands() const override { return false; }

  void run_forward(const CrossEntropyForward& pass) override {
    run({.logits = {pass.logits.data, pass.logits.strides[0]},
         .dlogits = {},
         .targets = pass.targets.data(),
         .nll = pass.nll.data(),
         .rows = pass.logits.shape[0],
         .columns = pass.logits.shape[1]},
        row::is_aligned(ConstRowsView(pass.logits)));
  }

  void run_backward(const CrossEntropyBackward& pass) override {
    run({.logits = {pass.logits.data, pass.logits.strides[0]},
         .dlogits = {pass.logits.data, pass.logits.strides[0]},
         .targets = pass.targets.data(),
         .weights = pass.weights.data(),
         .nll = pass.nll.data(),
         .rows = pass.logits.shape[0],
         .columns = pass.logits.shape[1]},
        row::is_aligned(RowsView(pass.logits)));
  }

  void run_shard_maximum(const CrossEntropyShard& shard, std::span<float> maximum) override {
    const Rows<const float> logits{shard.logits.data, shard.logits.strides[0]};
    const bool has_packs = row::is_aligned(RowsView(shard.logits));
    launch(has_packs ? maximum_kernel<4> : maximum_kernel<1>, row_blocks(shard.logits.shape, has_packs),
           native_compute_stream(), logits, shard.logits.shape[0], shard.logits.shape[1], maximum.data());
  }

  void run_shard_exponentials(const CrossEntropyShard& shard, std::span<const float> maximum, std::span<float> sum,
                              std::span<float> target_logit) override {
    const bool has_packs = row::is_aligned(RowsView(shard.logits));
    launch(has_packs ? exponentials_kernel<4> : exponentials_kernel<1>, row_blocks(shard.logits.shape, has_packs),
           native_compute_stream(), operands_of(shard), maximum.data(), sum.data(), target_logit.data());
  }

  void run_shard_gradient(const CrossEntropyShard& shard, std::span<const float> sum,
                          std::span<const float> weights) override {
    row::map_rows(ShardGradient{.shard = operands_of(shard), .sum = sum.data(), .weights = weights.data()},
                  shard.logits.shape[0], shard.logits.shape[1], row::is_aligned(RowsView(shard.logits)));
  }

  static LaunchShape row_blocks(const std::array<std::int64_t, 2>& shape, bool has_packs) {
    const row::SweepShape sweep = row::sweep_shape(shape[0], row::divided_up(shape[1], has_packs ? 4 : 1),
                                                   packs_in_flight, row::multiprocessors());
    return {.grid = dim3(static_cast<unsigned>(sweep.blocks)), .block = dim3(static_cast<unsigned>(sweep.threads))};
  }

  static void run(const LossOperands& operands, bool has_packs) {
    launch(has_packs ? loss_kernel<4> : loss_kernel<1>, row_blocks({operands.rows, operands.columns}, has_packs),
           native_compute_stream(), operands);
  }

  static ShardOperands operands_of(const CrossEntropyShard& shard) {
    return {.logits = {shard.logits.data, shard.logits.strides[0]},
            .targets = shard.targets.data(),
            .vocab_begin = shard.vocab_begin,
            .rows = shard.logits.shape[0],
            .columns = shard.logits.shape[1]};
  }
};

}  // namespace

std::unique_ptr<CrossEntropy> make_cuda_cross_entropy(const KernelOptions& /*options*/) {
  static_cast<void>(cuda_device());  // says what is missing where there is no GPU
  return std::make_unique<CudaCrossEntropy>();
}

}  // namespace ringworld
