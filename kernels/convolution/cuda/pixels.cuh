#pragma once
/// @file  A convolution of frames as a product of matrices: pixels x (taps, channels) times (taps, channels) x outputs.
///
/// The gradient by the data is a convolution of dy. With stride s, a pixel r of x is read by the taps t with
/// (r + pad_begin - t) divisible by s alone. Pixels that the same taps read make up a class, down and across:
///
///   s = 2   0 1 0 1     classes of pixels (down, across)     s = 1: one class, all taps
///           2 3 2 3
///           0 1 0 1

#include "kernels/convolution/cuda/tile_product.cuh"

namespace ringworld::convolution {

/// One direction, down or across, of the pixels of a class and of their taps.
struct Axis {
  int count = 0;  // pixels of the class
  int first = 0;  // pixel `first + spread q` of the target is pixel q of the class
  int spread = 1;
  int origin = 0;  // its tap t reads pixel `origin + advance q + step t` of the source
  int advance = 1;
  int step = 1;
  int taps = 0;       // that the class has
  int first_tap = 0;  // tap `first_tap + spread t` of the weight is tap t of the class

  [[nodiscard]] static __host__ __device__ Axis forward(int kernel, int stride, int pad, int out_side) {
    Axis axis;
    axis.count = out_side;
    axis.origin = -pad;
    axis.advance = stride;
    axis.taps = kernel;
    return axis;
  }
  /// @param rest  the class, from 0 to stride - 1
  [[nodiscard]] static __host__ __device__ Axis backward(int kernel, int stride, int pad, int in_side, int rest) {
    Axis axis;
    axis.first = ((rest - pad) % stride + stride) % stride;
    axis.spread = stride;
    axis.count = axis.first < in_side ? (in_side - axis.first - 1) / stride + 1 : 0;
    axis.origin = (axis.first + pad - rest) / stride;
    axis.step = -1;
    axis.taps = rest < kernel ? (kernel - rest - 1) / stride + 1 : 0;
    axis.first_tap = rest;
    return axis;
  }
};

/// Frames, channels last.
template <class T>
struct Frames {
  T* data = nullptr;
  int height = 0;
  int width = 0;
  int channels = 0;

  /// Of the first channel.
  __device__ __forceinline__ std::int64_t offset(std::int64_t frame, int row, int column) const {
    return ((frame * height + row) * width + column) * channels;
  }
  __device__ __forceinline__ bool has(int row, int column) const {
    return row >= 0 && row < height && column >= 0 && column < width;
  }
};

/// A tap and a channel: a line of the depth, the channel innermost.
struct Position {
  int a;
  int b;
  int channel;

  __device__ __forceinline__ void advance(int count, int across, int channels) {
    channel += count;
    while (channel >= channels) {
      channel -= channels;
      if (++b == across) {
        b = 0;
        ++a;
      }
    }
  }
};

/// Where a pixel of a class lies.
struct Place {
  std::int64_t frame;
  int row;
  int column;

  __device__ __forceinline__ Place(std::int64_t pixel, int height, int width) {
    const std::int64_t line = pixel / width;
    column = static_cast<int>(pixel - line * width);
    frame = line / height;
    row = static_cast<int>(line - frame * height);
  }
};

/// a: a line of the depth is what a tap and channel reads for each pixel of the tile. A thread takes four lines, each
/// time the same of a chunk, of a few pixels.
template <class Tile, int Width>
class PixelPatches {
 public:
  __device__ __forceinline__ PixelPatches(const Frames<const float>& source, const Axis& down, const Axis& across,
                                          std::int64_t first_pixel, std::int64_t pixels)
      : source_(source), down_(down.step), across_(across.step), taps_down_(down.taps), taps_across_(across.taps) {
    position_.advance(static_cast<int>(threadIdx.x) % depth_packs * pack_width, taps_across_, source_.channels);
#pragma unroll
    for (int i = 0; i < count; ++i) {
      const std::int64_t pixel = first_pixel + slot(i);
      if (pixel < pixels) {
        const Place place(pixel, down.count, across.count);
        rows_[i] = down.origin + down.advance * place.row;
        columns_[i] = across.origin + across.advance * place.column;
        offsets_[i] = source_.offset(place.frame, rows_[i], columns_[i]);
      } else {
        rows_[i] = outside;
      }
    }
  }

  __device__ __forceinline__ void fetch() {
    Position each[Width == 1 ? pack_width : 1];
    each[0] = position_;
    if constexpr (Width == 1) {
#pragma unroll
      for (int j = 1; j < pack_width; ++j) {
        each[j] = each[j - 1];
        each[j].advance(1, taps_across_, source_.channels);
      }
    }
#pragma unroll
    for (int i = 0; i < count; ++i) {
      values_[i] = read<Width>([&](int j) -> const float* {
        const int row = down_ * each[j].a;
        const int column = across_ * each[j].b;
        return each[j].a < taps_down_ && source_.has(rows_[i] + row, columns_[i] + column)
                   ? source_.data + offsets_[i] + source_.offset(0, row, column) + each[j].channel
                   : nullptr;
      });
    }
    position_.advance(depth, taps_across_, source_.channels);
  }
  __device__ __forceinline__ void put(Chunk<Tile::rows>& chunk) const {
#pragma unroll
    for (int i = 0; i < count; ++i) {
      chunk.put_along_depth(static_cast<int>(threadIdx.x) % depth_packs * pack_width, slot(i), values_[i]);
    }
  }

 private:
  static constexpr int count = Tile::rows * depth_packs / Tile::threads;
  static constexpr int outside = -(1 << 30);  // a row that no tap brings into the frame
  static __device__ __forceinline__ int slot(int i) {
    return static_cast<int>(threadIdx.x) / depth_packs + i * (Tile::threads / depth_packs);
  }

  Frames<const float> source_;
  int down_;
  int across_;
  int taps_down_;
  int taps_across_;
  Position position_{};
  int rows_[count];
  int columns_[count] = {};
  std::int64_t offsets_[count] = {};
  Floats<pack_width> values_[count];
};

/// b of the gradient by the data: the weight (taps, I, O) as (class's taps, O) x I. Neighbours in memory are neighbours
/// along the depth.
template <class Tile, int Width>
class TransposedWeight {
 public:
  __device__ __forceinline__ TransposedWeight(const float* weight, int kernel, const Axis& down, const Axis& across,
                                              int inputs, int outputs, int first_input)
      : weight_(weight),
        kernel_(kernel),
        down_(down),
        across_(across),
        inputs_(inputs),
        outputs_(outputs),
        first_input_(first_input) {
    position_.advance(static_cast<int>(threadIdx.x) % depth_packs * pack_width, across_.taps, outputs_);
  }

  __device__ __forceinline__ void fetch() {
    if (takes_part()) {
#pragma unroll
      for (int i = 0; i < count; ++i) {
        const int input = first_input_ + slot(i);
        Position each = position_;
        values_[i] = read<Width>([&](int j) -> const float* {
          if (j > 0) {
            each.advance(1, across_.taps, outputs_);
          }
          const std::int64_t tap = static_cast<std::int64_t>(down_.first_tap + down_.spread * each.a) * kernel_ +
                                   across_.first_tap + across_.spread * each.b;
          return each.a < down_.taps && input < inputs_ ? weight_ + (tap * inputs_ + input) * outputs_ + each.channel
                                                        : nullptr;
        });
      }
    }
    position_.advance(depth, across_.taps, outputs_);
  }
  __device__ __forceinline__ void put(Chunk<Tile::columns>& chunk) const {
    if (takes_part()) {
#pragma unroll
      for (int i = 0; i < count; ++i) {
        chunk.put_along_depth(static_cast<int>(threadIdx.x) % depth_packs * pack_width, slot(i), values_[i]);
      }
    }
  }

 private:
  static constexpr int slots_apart = Tile::threads / depth_packs;
  static constexpr int count = slots_apart < Tile::columns ? Tile::columns / slots_apart : 1;
  static __device__ __forceinline__ bool takes_part() { return threadIdx.x < Tile::columns * depth_packs; }
  static __device__ __forceinline__ int slot(int i) {
    return static_cast<int>(threadIdx.x) / depth_packs + i * slots_apart;
  }

  const float* weight_;
  int kernel_;
  Axis down_;
  Axis across_;
  int inputs_;
  int outputs_;
  int first_input_;
  Position position_{};
  Floats<pack_width> values_[count];
};

/// Writes a tile: target = results + bias + added. The target may be what is added.
template <class Tile, int Width>
__device__ __forceinline__ void write_pixels(const Results<Tile>& results, const Frames<float>& target,
                                             const Axis& down, const Axis& across, std::int64_t first_pixel,
                                             std::int64_t pixels, int first_column, const float* bias,
                                             const float* added) {
  const int column = first_column + Tile::thread_column();
  const auto inside = [&](const float* line) {
    return [=](int j) -> const float* {
      return line != nullptr && column + j < target.channels ? line + column + j : nullptr;
    };
  };
  const Floats<pack_width> offset = read<Width>(inside(bias));
#pragma unroll
  for (int i = 0; i < Tile::thread_rows; ++i) {
    const std::int64_t pixel = first_pixel + Tile::thread_row() + i;
    if (pixel < pixels) {
      const Place place(pixel, down.count, across.count);
      const std::int64_t line =
          target.offset(place.frame, down.first + down.spread * place.row, across.first + across.spread * place.column);
      const Floats<pack_width> before = read<Width>(inside(added == nullptr ? nullptr : added + line));
      Floats<pack_width> sum;
#pragma unroll
      for (int j = 0; j < pack_width; ++j) {
        sum[j] = results.rows[i][j] + offset[j] + before[j];
      }
      write<Width>(target.data + line, column, target.channels, sum);
    }
  }
}

}  // namespace ringworld::convolution
