#include "device/buffer.hpp"
#include "device/cuda/launch.cuh"
#include "device/cuda/native_stream.hpp"
#include "device/device.hpp"
#include "kernels/elementwise/cuda/aligned.hpp"
#include "kernels/elementwise/cuda/block_reduce.cuh"
#include "kernels/elementwise/cuda/launch_shape.hpp"
#include "kernels/elementwise/cuda/map_rows.cuh"
#include "kernels/elementwise/cuda/pack.cuh"
#include "kernels/group_norm/cuda/scratch.hpp"
#include "kernels/group_norm/group_norm.hpp"

/// @file  Group normalisation on NVIDIA GPUs, in three kernels each way:
///
///   frame   | panel 0 | panel 1 | ... |   1. a block takes 32 channels of a panel; a warp reads neighbouring channels
///             pairs     pairs             2. a block takes a group of a frame: all panels, all its channels, in double
///                                         3. every element, by the one loop of element-wise kernels
///
/// Moments: a thread's are those of the distances from its first pixel, so nothing large is subtracted; they are merged
/// as doubles after Chan, Golub, LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances",
/// Stanford STAN-CS-79-773, 1979.

namespace ringworld {
namespace {

using row::Floats;
using row::SumPair;

constexpr int lanes = 32;   // channels of a block in the first kernel
constexpr int walkers = 8;  // threads that share a channel's pixels
constexpr int group_threads = 256;
constexpr int warps = group_threads / 32;

/// Where elements lie.
struct Grouping {
  std::int64_t pixels;
  std::int64_t channels;
  std::int64_t groups;
  std::int64_t panels;  // of a frame

  __device__ __forceinline__ std::int64_t per_group() const { return channels / groups; }
  __device__ __forceinline__ std::int64_t panel_begin(std::int64_t panel) const {
    return panel * cuda_group_norm_panel;
  }
  __device__ __forceinline__ std::int64_t panel_end(std::int64_t panel) const {
    const std::int64_t end = (panel + 1) * cuda_group_norm_panel;
    return end < pixels ? end : pixels;
  }
};

/// Mean, and sum of squares of the distances from it, of `count` elements.
struct Moments {
  double count;
  double mean;
  double squares;
};

__device__ __forceinline__ Moments merged(const Moments& a, const Moments& b) {
  const double count = a.count + b.count;
  if (b.count == 0) {
    return a;
  }
  const double distance = b.mean - a.mean;
  return {count, a.mean + distance * b.count / count,
          a.squares + b.squares + distance * distance * a.count * b.count / count};
}

/// pairs(frame, panel, channel) = (mean, squares) of the channel in the panel. Grid: panels of all frames, channels.
__global__ void __launch_bounds__(lanes* walkers) moments_kernel(const float* x, Grouping grouping, SumPair* pairs) {
  __shared__ Moments of_walker[walkers][lanes];
  const std::int64_t frame = blockIdx.x / grouping.panels;
  const std::int64_t panel = blockIdx.x % grouping.panels;
  const std::int64_t channel = static_cast<std::int64_t>(blockIdx.y) * lanes + threadIdx.x;
  const std::int64_t begin = grouping.panel_begin(panel) + threadIdx.y;
  const std::int64_t end = grouping.panel_end(panel);
  Moments own{};
  if (channel < grouping.channels && begin < end) {
    const float* from = x + frame * grouping.pixels * grouping.channels + channel;
    const float first = from[begin * grouping.channels];
    float sum = 0;
    float squares = 0;
    int count = 0;
#pragma unroll 4
    for (std::int64_t pixel = begin; pixel < end; pixel += walkers) {
      const float distance = from[pixel * grouping.channels] - first;
      sum += distance;
      squares += distance * distance;
      ++count;
    }
    const double mean = static_cast<double>(sum) / count;
    own = {static_cast<double>(count), static_cast<double>(first) + mean,
           static_cast<double>(squares) - static_cast<double>(sum) * mean};
  }
  of_walker[threadIdx.y][threadIdx.x] = own;
  __syncthreads();
  if (threadIdx.y == 0 && channel < grouping.channels) {
    for (int walker = 1; walker < walkers; ++walker) {
      own = merged(own, of_walker[walker][threadIdx.x]);
    }
    pairs[static_cast<std::int64_t>(blockIdx.x) * grouping.channels + channel] = {own.mean, own.squares};
  }
}

/// A block takes a group of a frame, number blockIdx.x.
__global__ void __launch_bounds__(group_threads)
    statistics_kernel(const SumPair* pairs, Grouping grouping, float epsilon, float* mean, float* rstd) {
  __shared__ row::BlockScratch<double> scratch;
  const std::int64_t frame = blockIdx.x / grouping.groups;
  const std::int64_t first_channel = blockIdx.x % grouping.groups * grouping.per_group();
  const std::int64_t items = grouping.panels * grouping.per_group();
  const double count = static_cast<double>(grouping.pixels * grouping.per_group());
  const auto sum_of = [&](int side, const auto& term) {
    double sum = 0;
    for (std::int64_t item = threadIdx.x; item < items; item += group_threads) {
      const std::int64_t panel = item / grouping.per_group();
      const std::int64_t channel = first_channel + item % grouping.per_group();
      const auto pixels = static_cast<double>(grouping.panel_end(panel) - grouping.panel_begin(panel));
      sum += term(pairs[(frame * grouping.panels + panel) * grouping.channels + channel], pixels);
    }
    return row::block_reduce(sum, 0.0, row::Sum{}, scratch, side);
  };
  const double center = sum_of(0, [](const SumPair& pair, double pixels) { return pair.first * pixels; }) / count;
  const double squares = sum_of(1, [&](const SumPair& pair, double pixels) {
    const double distance = pair.first - center;
    return pair.second + pixels * distance * distance;
  });
  if (threadIdx.x == 0) {
    mean[blockIdx.x] = static_cast<float>(center);
    rstd[blockIdx.x] = static_cast<float>(1.0 / sqrt(squares / count + static_cast<double>(epsilon)));
  }
}

__device__ __forceinline__ float sigmoid(float x) { return 1.0F / (1.0F + expf(-x)); }

/// What an element of a frame is normalised with.
struct Coefficients {
  const float* mean = nullptr;
  const float* rstd = nullptr;
  const float* scale = nullptr;
  const float* bias = nullptr;
  Grouping grouping;
  bool has_silu = false;

  struct OfElement {
    std::int64_t channel;
    std::int64_t group;  // of all frames
    float mean;
    float rstd;
    float scale;
    float bias;
  };
  /// @param index  of the element in its frame
  __device__ __forceinline__ OfElement at(std::int64_t frame, std::int64_t index) const {
    const std::int64_t channel = index % grouping.channels;
    const std::int64_t group = frame * grouping.groups + channel / grouping.per_group();
    return {channel, group, mean[group], rstd[group], scale[channel], bias[channel]};
  }
  /// The gradient by what the activation is of.
  __device__ __forceinline__ float du(float dy, float normal, const OfElement& of) const {
    if (!has_silu) {
      return dy;
    }
    const float u = normal * of.scale + of.bias;
    const float share = sigmoid(u);
    return dy * (share + u * share * (1.0F - share));
  }
};

/// Rows are frames, columns the elements of a frame.
struct Normalize {
  static constexpr int width = 4;
  static constexpr int unroll = 2;
  Coefficients by;
  const float* x = nullptr;
  float* y = nullptr;
  std::int64_t frame_elements = 0;

  template <int Width>
  __device__ __forceinline__ row::Pack<float, Width> load(std::int64_t frame, std::int64_t index) const {
    return row::load<Width>(x + frame * frame_elements + index);
  }
  template <int Width>
  __device__ __forceinline__ void finish(std::int64_t frame, std::int64_t index,
                                         const row::Pack<float, Width>& pack) const {
    Floats<Width> values = row::widened(pack);
#pragma unroll
    for (int i = 0; i < Width; ++i) {
      const auto of = by.at(frame, index + i);
      const float u = (values[i] - of.mean) * (of.rstd * of.scale) + of.bias;
      values[i] = by.has_silu ? u * sigmoid(u) : u;
    }
    row::store_floats(y + frame * frame_elements + index, values);
  }
};

/// pairs(frame, panel, channel) = sums of du and of du * (x - mean) rstd. Grid: panels of all frames, channels.
__global__ void __launch_bounds__(lanes* walkers)
    gradient_sums_kernel(const float* dy, const float* x, Coefficients by, SumPair* pairs) {
  __shared__ SumPair of_walker[walkers][lanes];
  const Grouping& grouping = by.grouping;
  const std::int64_t frame = blockIdx.x / grouping.panels;
  const std::int64_t panel = blockIdx.x % grouping.panels;
  const std::int64_t channel = static_cast<std::int64_t>(blockIdx.y) * lanes + threadIdx.x;
  float sum = 0;
  float with_normal = 0;
  if (channel < grouping.channels) {
    const auto of = by.at(frame, channel);
    const std::int64_t end = grouping.panel_end(panel);
#pragma unroll 4
    for (std::int64_t pixel = grouping.panel_begin(panel) + threadIdx.y; pixel < end; pixel += walkers) {
      const std::int64_t at = (frame * grouping.pixels + pixel) * grouping.channels + channel;
      const float normal = (x[at] - of.mean) * of.rstd;
      const float du = by.du(dy[at], normal, of);
      sum += du;
      with_normal += du * normal;
    }
  }
  of_walker[threadIdx.y][threadIdx.x] = {static_cast<double>(sum), static_cast<double>(with_normal)};
  __syncthreads();
  if (threadIdx.y == 0 && channel < grouping.channels) {
    SumPair total = of_walker[0][threadIdx.x];
    for (int walker = 1; walker < walkers; ++walker) {
      total = total + of_walker[walker][threadIdx.x];
    }
    pairs[static_cast<std::int64_t>(blockIdx.x) * grouping.channels + channel] = total;
  }
}

/// A block takes a group of a frame, number blockIdx.x, a warp a channel of it: the sums of each channel, and the means
/// of their products with the scale over the elements of the group.
__global__ void __launch_bounds__(group_threads)
    group_sums_kernel(const SumPair* pairs, Coefficients by, SumPair* of_channels, SumPair* of_groups) {
  __shared__ SumPair of_warp[warps];
  const Grouping& grouping = by.grouping;
  const std::int64_t frame = blockIdx.x / grouping.groups;
  const std::int64_t first_channel = blockIdx.x % grouping.groups * grouping.per_group();
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int warp = static_cast<int>(threadIdx.x / 32);
  SumPair scaled{};
  for (std::int64_t c = warp; c < grouping.per_group(); c += warps) {
    const std::int64_t channel = first_channel + c;
    SumPair sums{};
    for (std::int64_t panel = lane; panel < grouping.panels; panel += 32) {
      sums = sums + pairs[(frame * grouping.panels + panel) * grouping.channels + channel];
    }
    sums = row::warp_reduce(sums, row::Sum{});
    const auto scale = static_cast<double>(by.scale[channel]);
    scaled = scaled + SumPair{sums.first * scale, sums.second * scale};
    if (lane == 0) {
      of_channels[frame * grouping.channels + channel] = sums;
    }
  }
  if (lane == 0) {
    of_warp[warp] = scaled;
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    SumPair total = of_warp[0];
    for (int other = 1; other < warps; ++other) {
      total = total + of_warp[other];
    }
    const double count = static_cast<double>(grouping.pixels * grouping.per_group());
    of_groups[blockIdx.x] = {total.first / count, total.second / count};
  }
}

/// Frame after frame.
__global__ void __launch_bounds__(group_threads)
    channel_gradients_kernel(const SumPair* of_channels, std::int64_t frames, std::int64_t channels, float* dscale,
                             float* dbias) {
  const std::int64_t channel = static_cast<std::int64_t>(blockIdx.x) * group_threads + threadIdx.x;
  if (channel < channels) {
    SumPair total{static_cast<double>(dbias[channel]), static_cast<double>(dscale[channel])};
    for (std::int64_t frame = 0; frame < frames; ++frame) {
      total = total + of_channels[frame * channels + channel];
    }
    dbias[channel] = static_cast<float>(total.first);
    dscale[channel] = static_cast<float>(total.second);
  }
}

/// Rows are frames, columns the elements of a frame.
struct NormalizeGradient {
  static constexpr int width = 4;
  static constexpr int unroll = 2;
  Coefficients by;
  const SumPair* of_groups = nullptr;
  const float* dy = nullptr;
  const float* x = nullptr;
  float* dx = nullptr;
  bool adds_to_dx = false;
  std::int64_t frame_elements = 0;

  template <int Width>
  struct Operands {
    row::Pack<float, Width> dy;
    row::Pack<float, Width> x;
    row::Pack<float, Width> dx;
  };

  template <int Width>
  __device__ __forceinline__ Operands<Width> load(std::int64_t frame, std::int64_t index) const {
    const std::int64_t at = frame * frame_elements + index;
    Operands<Width> operands{row::load<Width>(dy + at), row::load<Width>(x + at), {}};
    if (adds_to_dx) {
      operands.dx = row::load<Width>(static_cast<const float*>(dx + at));
    }
    return operands;
  }
  template <int Width>
  __device__ __forceinline__ void finish(std::int64_t frame, std::int64_t index,
                                         const Operands<Width>& operands) const {
    const Floats<Width> gradient = row::widened(operands.dy);
    const Floats<Width> value = row::widened(operands.x);
    const Floats<Width> before = row::widened(operands.dx);
    Floats<Width> result;
#pragma unroll
    for (int i = 0; i < Width; ++i) {
      const auto of = by.at(frame, index + i);
      const float normal = (value[i] - of.mean) * of.rstd;
      const auto mean = static_cast<float>(of_groups[of.group].first);
      const auto slope = static_cast<float>(of_groups[of.group].second);
      const float own = (by.du(gradient[i], normal, of) * of.scale - mean - normal * slope) * of.rstd;
      result[i] = adds_to_dx ? before[i] + own : own;
    }
    row::store_floats(dx + frame * frame_elements + index, result);
  }
};

class CudaGroupNorm final : public GroupNorm {
  void run_forward(const GroupNormForward& pass) override {
    const std::int64_t frames = pass.x.shape[0];
    if (frames == 0) {
      return;
    }
    const Grouping grouping = grouping_of(pass);
    hold(frames, grouping);
    launch(moments_kernel, panel_shape(frames, grouping), native_compute_stream(), pass.x.data, grouping, pairs());
    launch(statistics_kernel, group_shape(pass), native_compute_stream(), static_cast<const SumPair*>(pairs()),
           grouping, pass.epsilon, pass.mean.data, pass.rstd.data);
    const std::int64_t elements = pass.x.strides[0];
    row::map_rows(
        Normalize{.by = coefficients_of(pass), .x = pass.x.data, .y = pass.y.data, .frame_elements = elements}, frames,
        elements, elements % 4 == 0 && row::is_aligned(pass.x.data) && row::is_aligned(pass.y.data));
  }

  void run_backward(const GroupNormBackward& pass) override {
    const std::int64_t frames = pass.x.shape[0];
    if (frames == 0) {
      return;
    }
    const Coefficients by = coefficients_of(pass);
    const Grouping& grouping = by.grouping;
    hold(frames, grouping);
    SumPair* of_channels = pairs() + frames * grouping.panels * grouping.channels;
    SumPair* of_groups = of_channels + frames * grouping.channels;
    launch(gradient_sums_kernel, panel_shape(frames, grouping), native_compute_stream(), pass.dy.data, pass.x.data, by,
           pairs());
    launch(group_sums_kernel, group_shape(pass), native_compute_stream(), static_cast<const SumPair*>(pairs()), by,
           of_channels, of_groups);
    launch(channel_gradients_kernel,
           {.grid = dim3(static_cast<unsigned>(row::divided_up(grouping.channels, group_threads))),
            .block = dim3(group_threads)},
           native_compute_stream(), static_cast<const SumPair*>(of_channels), frames, grouping.channels, pass.dscale,
           pass.dbias);
    const std::int64_t elements = pass.x.strides[0];
    row::map_rows(NormalizeGradient{.by = by,
                                    .of_groups = of_groups,
                                    .dy = pass.dy.data,
                                    .x = pass.x.data,
                                    .dx = pass.dx.data,
                                    .adds_to_dx = pass.adds_to_dx,
                                    .frame_elements = elements},
                  frames, elements,
                  elements % 4 == 0 && row::is_aligned(pass.dy.data) && row::is_aligned(pass.x.data) &&
                      row::is_aligned(pass.dx.data));
  }

  template <class Pass>
  static Grouping grouping_of(const Pass& pass) {
    const std::int64_t pixels = pass.x.shape[1] * pass.x.shape[2];
    return {
        .pixels = pixels, .channels = pass.x.shape[3], .groups = pass.groups, .panels = cuda_group_norm_panels(pixels)};
  }

  template <class Pass>
  static Coefficients coefficients_of(const Pass& pass) {
    return {.mean = pass.mean.data,
            .rstd = pass.rstd.data,
            .scale = pass.scale,
            .bias = pass.bias,
            .grouping = grouping_of(pass),
            .has_silu = pass.activation == Activation::silu};
  }

  static LaunchShape panel_shape(std::int64_t frames, const Grouping& grouping) {
    return {.grid = dim3(static_cast<unsigned>(frames * grouping.panels),
                         static_cast<unsigned>(row::divided_up(grouping.channels, lanes))),
            .block = dim3(lanes, walkers)};
  }

  template <class Pass>
  static LaunchShape group_shape(const Pass& pass) {
    return {.grid = dim3(static_cast<unsigned>(pass.mean.size())), .block = dim3(group_threads)};
  }

  void hold(std::int64_t frames, const Grouping& grouping) {
    const std::int64_t bytes = cuda_group_norm_pairs(frames, grouping.pixels, grouping.channels, grouping.groups) *
                               static_cast<std::int64_t>(sizeof(SumPair));
    if (pairs_.bytes() < bytes) {
      pairs_ = Buffer(bytes, DeviceKind::cuda);
    }
  }
  [[nodiscard]] SumPair* pairs() const { return pairs_.as<SumPair>(); }

  Buffer pairs_;  // of the panels' channels, of the frames' channels, of the frames' groups
};

}  // namespace

std::unique_ptr<GroupNorm> make_cuda_group_norm(const KernelOptions& /*options*/) {
  static_cast<void>(cuda_device());  // says what is missing where there is no GPU
  return std::make_unique<CudaGroupNorm>();
}

}  // namespace ringworld
