#include "device/buffer.hpp"
#include "device/cuda/launch.cuh"
#include "device/cuda/native_stream.hpp"
#include "device/device.hpp"
#include "kernels/elementwise/cuda/block_reduce.cuh"
#include "kernels/reconstruction_loss/cuda/scratch.hpp"
#include "kernels/reconstruction_loss/reconstruction_loss.hpp"

/// @file  The reconstruction loss on NVIDIA GPUs: a block takes a chunk of a frame, reads it once and writes its
/// gradient; then a block takes a frame and adds up its chunks in double.

namespace ringworld {
namespace {

using row::SumPair;

constexpr int threads = 256;

struct LossOperands {
  const float* reconstruction = nullptr;
  const float* target = nullptr;
  float* gradient = nullptr;  // null: not wanted; may be the reconstruction
  float absolute_scale = 0;
  float slope = 0;  // 2 squared_scale
  std::int64_t elements = 0;
  std::int64_t chunks = 0;  // of a frame
};

__global__ void __launch_bounds__(threads) chunk_kernel(LossOperands operands, SumPair* sums) {
  __shared__ row::BlockScratch<SumPair> scratch;
  const std::int64_t frame = blockIdx.x / operands.chunks;
  const std::int64_t begin = blockIdx.x % operands.chunks * cuda_reconstruction_chunk;
  const std::int64_t rest = operands.elements - begin;
  const std::int64_t count = rest < cuda_reconstruction_chunk ? rest : cuda_reconstruction_chunk;
  const std::int64_t first = frame * operands.elements + begin;
  float absolute = 0;
  float squared = 0;
#pragma unroll 4
  for (std::int64_t i = threadIdx.x; i < count; i += threads) {
    const float difference = operands.reconstruction[first + i] - operands.target[first + i];
    absolute += fabsf(difference);
    squared += difference * difference;
    if (operands.gradient != nullptr) {
      const float sign = difference > 0 ? operands.absolute_scale : difference < 0 ? -operands.absolute_scale : 0.0F;
      operands.gradient[first + i] = sign + operands.slope * difference;
    }
  }
  const SumPair own{static_cast<double>(absolute), static_cast<double>(squared)};
  const SumPair total = row::block_reduce(own, SumPair{}, row::Sum{}, scratch, 0);
  if (threadIdx.x == 0) {
    sums[blockIdx.x] = total;
  }
}

/// A block takes a frame.
__global__ void __launch_bounds__(threads) frame_kernel(const SumPair* sums, std::int64_t chunks, float* of_frames) {
  __shared__ row::BlockScratch<SumPair> scratch;
  SumPair own{};
  for (std::int64_t chunk = threadIdx.x; chunk < chunks; chunk += threads) {
    own = own + sums[blockIdx.x * chunks + chunk];
  }
  const SumPair total = row::block_reduce(own, SumPair{}, row::Sum{}, scratch, 0);
  if (threadIdx.x == 0) {
    of_frames[2 * static_cast<std::int64_t>(blockIdx.x)] = static_cast<float>(total.first);
    of_frames[2 * static_cast<std::int64_t>(blockIdx.x) + 1] = static_cast<float>(total.second);
  }
}

class CudaReconstructionLoss final : public ReconstructionLoss {
  void run_forward_backward(const ReconstructionLossPass& pass) override {
    const auto [frames, elements] = pass.target.shape;
    if (frames == 0) {
      return;
    }
    const std::int64_t all_chunks = cuda_reconstruction_chunks(frames, elements);
    const std::int64_t bytes = all_chunks * static_cast<std::int64_t>(sizeof(SumPair));
    if (sums_.bytes() < bytes) {
      sums_ = Buffer(bytes, DeviceKind::cuda);
    }
    const std::int64_t chunks = all_chunks / frames;
    launch(chunk_kernel, {.grid = dim3(static_cast<unsigned>(all_chunks)), .block = dim3(threads)},
           native_compute_stream(),
           LossOperands{.reconstruction = pass.reconstruction.data,
                        .target = pass.target.data,
                        .gradient = pass.dreconstruction.data,
                        .absolute_scale = pass.absolute_scale,
                        .slope = 2 * pass.squared_scale,
                        .elements = elements,
                        .chunks = chunks},
           sums_.as<SumPair>());
    launch(frame_kernel, {.grid = dim3(static_cast<unsigned>(frames)), .block = dim3(threads)}, native_compute_stream(),
           static_cast<const SumPair*>(sums_.as<SumPair>()), chunks, pass.absolute_and_squared.data);
  }

  Buffer sums_;  // of chunks
};

}  // namespace

std::unique_ptr<ReconstructionLoss> make_cuda_reconstruction_loss(const KernelOptions& /*options*/) {
  static_cast<void>(cuda_device());  // says what is missing where there is no GPU
  return std::make_unique<CudaReconstructionLoss>();
}

}  // namespace ringworld
