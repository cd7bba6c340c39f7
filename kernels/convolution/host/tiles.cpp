#include "kernels/convolution/host/tiles.hpp"

#include <algorithm>
#include <array>

#include "kernels/elementwise/parallel.hpp"

namespace ringworld::host_convolution {
namespace {

/// Numbers of a block of tiles at all positions: they stay in the second-level cache.
constexpr std::int64_t block_floats = 96 * 1024;
/// A block's tiles are a multiple of this, so that the rows of its products fill blocks of registers.
constexpr std::int64_t tile_multiple = 48;
/// Between the positions of a block lies a cache line: they would share a few sets of the first-level cache otherwise.
constexpr std::int64_t gap = lane_padding;

/// A tile among the tiles of all frames, frame after frame, row after row.
class Tile {
 public:
  Tile(const Correlation& shape, std::int64_t index)
      : shape_(&shape),
        across_(row::range_count(shape.out_width, tile_side)),
        down_(row::range_count(shape.out_height, tile_side)),
        frame_(index / (across_ * down_)),
        row_(index / across_ % down_ * tile_side),
        column_(index % across_ * tile_side) {}

  [[nodiscard]] static std::int64_t count(const Correlation& shape) {
    return shape.frames * row::range_count(shape.out_width, tile_side) * row::range_count(shape.out_height, tile_side);
  }

  /// Without the divisions that finding a tile by its index takes.
  void advance() {
    column_ += tile_side;
    if (column_ >= across_ * tile_side) {
      column_ = 0;
      row_ += tile_side;
    }
    if (row_ >= down_ * tile_side) {
      row_ = 0;
      ++frame_;
    }
  }

  /// The input pixels that the tile reads. @param outside  what it reads outside of the frame
  [[nodiscard]] std::array<const float*, positions> input(const float* x, const float* outside) const {
    return pixels<tile_reach>(x, outside, shape_->height, shape_->width, shape_->channels, shape_->pad_begin);
  }

  /// The output pixels of the tile. @param outside  stands for those that are cut off
  template <class T>
  [[nodiscard]] std::array<T*, tile_pixels> output(T* y, std::int64_t outputs, T* outside) const {
    return pixels<tile_side>(y, outside, shape_->out_height, shape_->out_width, outputs, 0);
  }

 private:
  template <std::int64_t Side, class T>
  [[nodiscard]] std::array<T*, Side * Side> pixels(T* data, T* outside, std::int64_t height, std::int64_t width,
                                                   std::int64_t channels, std::int64_t pad) const {
    const std::int64_t top = row_ - pad, left = column_ - pad;
    const std::int64_t across = channels, down = width * channels;
    const std::int64_t first = (frame_ * height + top) * down + left * across;
    std::array<T*, Side * Side> found{};
    if (top >= 0 && left >= 0 && top + Side <= height && left + Side <= width) {
#pragma GCC unroll 36
      for (std::int64_t at = 0; at < Side * Side; ++at) {
        found[static_cast<std::size_t>(at)] = data + first + at / Side * down + at % Side * across;
      }
      return found;
    }
    for (std::int64_t r = 0; r < Side; ++r) {
      const bool is_row_inside = top + r >= 0 && top + r < height;
#pragma GCC unroll 6
      for (std::int64_t c = 0; c < Side; ++c) {
        const bool is_inside = is_row_inside && left + c >= 0 && left + c < width;
        found[static_cast<std::size_t>(r * Side + c)] = is_inside ? data + first + r * down + c * across : outside;
      }
    }
    return found;
  }

  const Correlation* shape_;
  std::int64_t across_, down_;  ///< tiles of a frame
  std::int64_t frame_;
  std::int64_t row_, column_;  ///< of its first output pixel
};

float* hold(std::vector<float>& memory, std::int64_t floats) {
  memory.resize(std::max(memory.size(), static_cast<std::size_t>(floats)));
  return memory.data();
}

const float* hold_zeros(std::vector<float>& memory, std::int64_t floats) { return hold(memory, floats); }

std::int64_t tiles_of_block(std::int64_t channels, std::int64_t outputs) {
  const std::int64_t fitting = block_floats / (positions * (channels + outputs));
  return std::max(tile_multiple, fitting / tile_multiple * tile_multiple);
}

}  // namespace

bool has_tiles(const Correlation& correlation, std::int64_t outputs) {
  return correlation.kernel == 3 && correlation.stride == 1 && correlation.dilation == 1 &&
         correlation.channels % lane_padding == 0 && outputs % lane_padding == 0 &&
         correlation.out_height >= tile_side && correlation.out_width >= tile_side;
}

void correlate_tiles(const CorrelationPass& pass, Multiply multiply, const TileTransforms& transforms, int threads,
                     TileScratch& scratch) {
  const Correlation& shape = pass.correlation;
  const std::int64_t tiles = Tile::count(shape);
  const std::int64_t channels = shape.channels, outputs = pass.outputs;
  float* const weight = hold(scratch.weight, positions * channels * outputs);
  row::for_each_range(threads, outputs, panel_width, [&](std::int64_t begin, std::int64_t end) {
    transforms.weight(pass.weight.panel(begin), channels * (end - begin), weight + positions * channels * begin);
  });
  const float* const zeros = hold_zeros(scratch.zeros, channels);
  const std::int64_t block = tiles_of_block(channels, outputs);
  row::for_each_range(threads, tiles, block, [&](std::int64_t begin, std::int64_t end) {
    // Of each thread, for all convolutions that it will ever take part in.
    thread_local std::vector<float> input_memory, sum_memory;
    const std::int64_t input_stride = block * channels + gap, sum_stride = block * outputs + gap;
    float* const input = hold(input_memory, positions * input_stride);
    float* const sums = hold(sum_memory, positions * sum_stride + outputs);
    float* const cut_off = sums + positions * sum_stride;
    Tile tile(shape, begin);
    for (std::int64_t at = 0; at < end - begin; ++at, tile.advance()) {
      transforms.input(tile.input(pass.input, zeros).data(), channels, input + at * channels, input_stride);
    }
    for (std::int64_t position = 0; position < positions; ++position) {
      for (std::int64_t column = 0; column < outputs; column += panel_width) {
        const std::int64_t width = std::min(panel_width, outputs - column);
        multiply({.rows = end - begin,
                  .columns = width,
                  .lines = 1,
                  .steps = channels,
                  .a = input + position * input_stride,
                  .a_row_stride = channels,
                  .a_step_stride = 1,
                  .b = weight + positions * channels * column + position * channels * width,
                  .b_step_stride = width,
                  .c = sums + position * sum_stride + column,
                  .c_row_stride = outputs});
      }
    }
    tile = Tile(shape, begin);
    for (std::int64_t at = 0; at < end - begin; ++at, tile.advance()) {
      const std::array<float*, tile_pixels> out = tile.output(pass.out, outputs, cut_off);
      std::array<const float*, tile_pixels> addends{};
      if (pass.addend != nullptr) {
        addends = tile.output<const float>(pass.addend, outputs, cut_off);
      }
      transforms.output(sums + at * outputs, sum_stride, outputs, pass.bias,
                        pass.addend == nullptr ? nullptr : addends.data(), out.data());
    }
  });
}

void add_weight_gradient_of_tiles(const WeightGradientPass& pass, Multiply multiply, const TileTransforms& transforms,
                                  int threads, TileScratch& scratch) {
  constexpr std::int64_t tiles_of_range = 16;
  const Correlation& shape = pass.correlation;
  const std::int64_t tiles = Tile::count(shape);
  const std::int64_t channels = shape.channels, outputs = pass.outputs;
  const float* const zeros = hold_zeros(scratch.zeros, std::max(channels, outputs));
  const std::int64_t block = tiles_of_block(channels, outputs);
  const std::int64_t input_stride = block * channels + gap, gradient_stride = block * outputs + gap;
  float* const input = hold(scratch.input, positions * input_stride);
  float* const gradient = hold(scratch.gradient, positions * gradient_stride);
  float* const sums = hold(scratch.weight, positions * channels * outputs);
  const std::int64_t panels = row::range_count(outputs, panel_width);
  for (std::int64_t first = 0; first < tiles; first += block) {
    const std::int64_t count = std::min(block, tiles - first);
    row::for_each_range(threads, count, tiles_of_range, [&](std::int64_t begin, std::int64_t end) {
      Tile tile(shape, first + begin);
      for (std::int64_t at = begin; at < end; ++at, tile.advance()) {
        transforms.input(tile.input(pass.input, zeros).data(), channels, input + at * channels, input_stride);
        transforms.gradient(tile.output(pass.gradient, outputs, zeros).data(), outputs, gradient + at * outputs,
                            gradient_stride);
      }
    });
    row::for_each_range(threads, positions * panels, 1, [&](std::int64_t job, std::int64_t /*end*/) {
      const std::int64_t position = job / panels, column = job % panels * panel_width;
      multiply({.rows = channels,
                .columns = std::min(panel_width, outputs - column),
                .lines = 1,
                .steps = count,
                .a = input + position * input_stride,
                .a_row_stride = 1,
                .a_step_stride = channels,
                .b = gradient + position * gradient_stride + column,
                .b_step_stride = outputs,
                .c = sums + position * channels * outputs + column,
                .c_row_stride = outputs,
                .is_accumulating = first > 0});
    });
  }
  if (tiles > 0) {
    transforms.weight_gradient(sums, channels * outputs, pass.dweight);
  }
}

}  // namespace ringworld::host_convolution
