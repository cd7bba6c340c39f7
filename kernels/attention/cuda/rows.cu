#include "kernels/attention/cuda/rows.hpp"

#include <cuda_runtime.h>

#include <cstdint>

#include "core/error.hpp"
#include "device/cuda/check.hpp"
#include "device/cuda/launch.cuh"
#include "kernels/attention/cuda/quads.cuh"
#include "kernels/attention/cuda/softmax.cuh"
#include "kernels/attention/cuda/views.cuh"

namespace ringworld::cuda {
namespace {

constexpr int threads = 256;

/// Rows (batch, head, token) of D elements, and how threads are shared out among them.
///
/// A row has a power of two of lanes, 4 to 32, each of which takes four neighbouring elements at a time: one instruction of
/// a warp reads 512 bytes of floats, of several rows where they are short.
struct RowWalk {
  int heads;
  int tokens;
  int head_size;
  int lanes;
  std::int64_t rows;

  [[nodiscard]] dim3 grid() const {
    const std::int64_t rows_of_a_block = threads / lanes;
    return dim3(static_cast<unsigned>((rows + rows_of_a_block - 1) / rows_of_a_block));
  }
};

/// What one thread has of a row.
struct RowPlace {
  int lane;
  std::int64_t row;
  int batch;
  int head;
  int token;

  __device__ explicit RowPlace(const RowWalk& walk)
      : lane(static_cast<int>(threadIdx.x) % walk.lanes),
        row((std::int64_t{blockIdx.x} * threads + threadIdx.x) / walk.lanes),
        batch(static_cast<int>(row / walk.tokens / walk.heads)),
        head(static_cast<int>(row / walk.tokens % walk.heads)),
        token(static_cast<int>(row % walk.tokens)) {}
};

/// @param shape  (B, H, T, D)
RowWalk walk_of(const std::array<std::int64_t, 4>& shape) {
  require(shape[3] % 4 == 0, "block attention: rows are read in fours");
  int lanes = 4;
  while (lanes < 32 && 4 * lanes < shape[3]) {
    lanes *= 2;
  }
  return {.heads = static_cast<int>(shape[1]),
          .tokens = static_cast<int>(shape[2]),
          .head_size = static_cast<int>(shape[3]),
          .lanes = lanes,
          .rows = shape[0] * shape[1] * shape[2]};
}

template <class Kernel, class... Arguments>
void launch_rows(Kernel kernel, const RowWalk& walk, cudaStream_t stream, const Arguments&... arguments) {
  launch(kernel, {.grid = walk.grid(), .block = dim3(threads)}, stream, walk, arguments...);
}

__global__ void clear_kernel(const RowWalk walk, const Quads<float> tensor, const Gate gate) {
  const RowPlace place(walk);
  if (place.row >= walk.rows || gate.is_closed()) {
    return;
  }
  for (int d = 4 * place.lane; d < walk.head_size; d += 4 * walk.lanes) {
    tensor.store(place.batch, place.token, place.head, d, {0.0F, 0.0F, 0.0F, 0.0F});
  }
}

/// One number a row, by the first lane.
__global__ void reset_kernel(const RowWalk walk, const RowNumbers<float> maximum, const RowNumbers<float> sum) {
  const RowPlace place(walk);
  if (place.row < walk.rows && place.lane == 0) {
    maximum.at(place.batch, place.head, place.token) = minus_infinity;
    sum.at(place.batch, place.head, place.token) = 0.0F;
  }
}

/// e^(maximum - largest), which makes sums relative to `maximum` relative to `largest`; 0 where no key was seen.
__device__ float factor_of(float maximum, float largest) {
  return ptx::exp2_approx((maximum - subtrahend_of_maximum(largest)) * log2_e);
}

__device__ float4 scaled(const float4& quad, float factor) {
  return {quad.x * factor, quad.y * factor, quad.z * factor, quad.w * factor};
}

__global__ void merge_kernel(const RowWalk walk, const StateRows from, const StateRows into,
                             const Quads<const float> added_output, const Quads<float> output) {
  const RowPlace place(walk);
  const bool exists = place.row < walk.rows;
  float largest = 0.0F;
  float sum = 0.0F;
  if (exists) {
    const float added = from.maximum.at(place.batch, place.head, place.token);
    const float present = into.maximum.at(place.batch, place.head, place.token);
    largest = fmaxf(added, present);
    const float added_factor = factor_of(added, largest);
    const float factor = factor_of(present, largest);
    // Also where nothing was seen: a sum that is no number must show.
    sum = factor * into.sum.at(place.batch, place.head, place.token) +
          added_factor * from.sum.at(place.batch, place.head, place.token);
    for (int d = 4 * place.lane; added != minus_infinity && d < walk.head_size; d += 4 * walk.lanes) {
      float4 quad = scaled(added_output.load(place.batch, place.token, place.head, d), added_factor);
      if (present != minus_infinity) {
        const float4 kept = scaled(output.load(place.batch, place.token, place.head, d), factor);
        quad = {kept.x + quad.x, kept.y + quad.y, kept.z + quad.z, kept.w + quad.w};
      }
      output.store(place.batch, place.token, place.head, d, quad);
    }
  }
  // The lanes of a row are of one warp, and all have read its maximum when the first lane writes the new one.
  __syncwarp();
  if (exists && place.lane == 0) {
    into.maximum.at(place.batch, place.head, place.token) = largest;
    into.sum.at(place.batch, place.head, place.token) = sum;
  }
}

__global__ void rescale_kernel(const RowWalk walk, const RowNumbers<const float> maximum, const StateRows state,
                               const Quads<float> output) {
  const RowPlace place(walk);
  const bool exists = place.row < walk.rows;
  float largest = 0.0F;
  float factor = 0.0F;
  if (exists) {
    const float own = state.maximum.at(place.batch, place.head, place.token);
    largest = maximum.at(place.batch, place.head, place.token);
    factor = factor_of(own, largest);
    for (int d = 4 * place.lane; d < walk.head_size; d += 4 * walk.lanes) {
      const float4 quad = own == minus_infinity ? float4{0.0F, 0.0F, 0.0F, 0.0F}
                                                : scaled(output.load(place.batch, place.token, place.head, d), factor);
      output.store(place.batch, place.token, place.head, d, quad);
    }
  }
  __syncwarp();  // as above
  if (exists && place.lane == 0) {
    state.maximum.at(place.batch, place.head, place.token) = largest;
    state.sum.at(place.batch, place.head, place.token) *= factor;
  }
}

template <class Element>
__global__ void finalize_kernel(const RowWalk walk, const StateRows state, const Quads<const float> output,
                                const Quads<Element> out) {
  const RowPlace place(walk);
  if (place.row >= walk.rows) {
    return;
  }
  const float sum = state.sum.at(place.batch, place.head, place.token);
  const bool has_seen_a_key = sum != 0.0F;  // true of a sum that is no number, which the result must show
  for (int d = 4 * place.lane; d < walk.head_size; d += 4 * walk.lanes) {
    float4 mean = output.load(place.batch, place.token, place.head, d);
    mean = has_seen_a_key ? float4{mean.x / sum, mean.y / sum, mean.z / sum, mean.w / sum}
                          : float4{0.0F, 0.0F, 0.0F, 0.0F};
    out.store(place.batch, place.token, place.head, d, mean);
  }
}

template <class Output, class Gradient>
__global__ void output_dot_gradient_kernel(const RowWalk walk, const Quads<const Output> out,
                                           const Quads<const Gradient> dout, const RowNumbers<float> delta) {
  const RowPlace place(walk);
  const bool exists = place.row < walk.rows;
  float sum = 0.0F;
  if (exists) {
    for (int d = 4 * place.lane; d < walk.head_size; d += 4 * walk.lanes) {
      const float4 a = out.load(place.batch, place.token, place.head, d);
      const float4 b = dout.load(place.batch, place.token, place.head, d);
      sum = fmaf(a.x, b.x, fmaf(a.y, b.y, fmaf(a.z, b.z, fmaf(a.w, b.w, sum))));
    }
  }
  for (int distance = walk.lanes / 2; distance > 0; distance /= 2) {
    sum += __shfl_xor_sync(0xffffffffU, sum, distance);
  }
  if (exists && place.lane == 0) {
    delta.at(place.batch, place.head, place.token) = sum;
  }
}

/// Two numbers below this, and 256 such products, stay far from the largest float.
constexpr float end_of_safe = 0x1p56F;

__device__ bool is_safe(float x) { return x > -end_of_safe && x < end_of_safe; }

template <class Element>
__global__ void find_unsafe_kernel(const RowWalk walk, const Quads<const Element> vectors, int* flag) {
  const RowPlace place(walk);
  if (place.row >= walk.rows) {
    return;
  }
  bool is_row_safe = true;
  for (int d = 4 * place.lane; d < walk.head_size; d += 4 * walk.lanes) {
    const float4 quad = vectors.load(place.batch, place.token, place.head, d);
    is_row_safe = is_row_safe && is_safe(quad.x) && is_safe(quad.y) && is_safe(quad.z) && is_safe(quad.w);
  }
  if (!is_row_safe) {
    atomicOr(flag, 1);
  }
}

/// The same for one number a row, by the first lane.
__global__ void find_unsafe_numbers_kernel(const RowWalk walk, const RowNumbers<const float> sum,
                                           const RowNumbers<const float> delta, int* flag) {
  const RowPlace place(walk);
  if (place.row < walk.rows && place.lane == 0 &&
      !(is_safe(sum.at(place.batch, place.head, place.token)) &&
        is_safe(delta.at(place.batch, place.head, place.token)))) {
    atomicOr(flag, 1);
  }
}

void enqueue_search(const ConstActivationView& tensor, int* flag, cudaStream_t stream) {
  with_type(tensor.dtype, [&](auto element) {
    launch_rows(find_unsafe_kernel<decltype(element)>,
                walk_of({tensor.batch(), tensor.heads(), tensor.tokens(), tensor.head_size()}), stream,
                quads_of(vectors_by_token(tensor.as<decltype(element)>())), flag);
  });
}

}  // namespace

void find_unsafe(const ForwardBlock& block, int* flag, cudaStream_t stream) {
  check_cuda(cudaMemsetAsync(flag, 0, sizeof(int), stream));
  enqueue_search(block.v, flag, stream);
}

void find_unsafe(const BackwardBlock& block, int* flag, cudaStream_t stream) {
  check_cuda(cudaMemsetAsync(flag, 0, sizeof(int), stream));
  for (const auto* tensor : {&block.q, &block.k, &block.v, &block.dout}) {
    enqueue_search(*tensor, flag, stream);
  }
  launch_rows(find_unsafe_numbers_kernel, walk_of({block.q.batch(), block.q.heads(), block.q.tokens(), 4}), stream,
              numbers_of(block.sum), numbers_of(block.delta), flag);
}

void clear(const TensorView<float, 4>& tensor, const Gate& gate, cudaStream_t stream) {
  const auto [batch, tokens, heads, head_size] = tensor.shape;
  launch_rows(clear_kernel, walk_of({batch, heads, tokens, head_size}), stream, quads_of(vectors_by_token(tensor)),
              gate);
}

void reset(const AttentionState& state, cudaStream_t stream) {
  const auto [batch, heads, tokens] = state.maximum.shape;
  launch_rows(reset_kernel, walk_of({batch, heads, tokens, 4}), stream, numbers_of(state.maximum),
              numbers_of(state.sum));
}

void merge(const AttentionState& from, const AttentionState& into, cudaStream_t stream) {
  const TensorView<const float, 4> added = from.output;
  launch_rows(merge_kernel, walk_of(into.output.shape), stream, rows_of(from), rows_of(into),
              quads_of(vectors_by_head(added)), quads_of(vectors_by_head(into.output)));
}

void rescale(const TensorView<const float, 3>& maximum, const AttentionState& state, cudaStream_t stream) {
  launch_rows(rescale_kernel, walk_of(state.output.shape), stream, numbers_of(maximum), rows_of(state),
              quads_of(vectors_by_head(state.output)));
}

void finalize(const AttentionState& state, const ActivationView& out, cudaStream_t stream) {
  const TensorView<const float, 4> output = state.output;
  with_type(out.dtype, [&](auto element) {
    launch_rows(finalize_kernel<decltype(element)>, walk_of(state.output.shape), stream, rows_of(state),
                quads_of(vectors_by_head(output)), quads_of(vectors_by_token(out.as<decltype(element)>())));
  });
}

void output_dot_gradient(const ConstActivationView& out, const ConstActivationView& dout,
                         const TensorView<float, 3>& delta, cudaStream_t stream) {
  const RowWalk walk = walk_of({out.batch(), out.heads(), out.tokens(), out.head_size()});
  with_type(out.dtype, [&](auto output) {
    with_type(dout.dtype, [&](auto gradient) {
      launch_rows(output_dot_gradient_kernel<decltype(output), decltype(gradient)>, walk, stream,
                  quads_of(vectors_by_token(out.as<decltype(output)>())),
                  quads_of(vectors_by_token(dout.as<decltype(gradient)>())), numbers_of(delta));
    });
  });
}

}  // namespace ringworld::cuda
