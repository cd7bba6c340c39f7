#include "kernels/convolution/host/correlation.hpp"

#include <algorithm>

#include "kernels/elementwise/parallel.hpp"

namespace ringworld::host_convolution {
namespace {

/// Of a tile of sums, 64 KiB with a panel's width: it stays in the second-level cache beside a slice of the weight.
constexpr std::int64_t product_pixels = 256;
/// Rows of a panel of the weight that a tile is multiplied with before the next: 64 KiB.
constexpr std::int64_t slice_steps = 256;

/// Some rows of a group's output and one panel of its channels.
struct ProductTile {
  std::int64_t first_line = 0, lines = 0;  ///< lines count the rows of the group's frames
  std::int64_t column = 0, columns = 0, width = 0;
};

/// Sums (lines, out_width, width) of a tile: slices of the weight outside, so that one is read while it is in the cache.
void sum_tile(const CorrelationPass& pass, const Group& group, const PackedInput& input, const ProductTile& tile,
              Multiply multiply, float* sums) {
  const Correlation& shape = pass.correlation;
  const std::int64_t run = shape.kernel * shape.channels;  // what one row of taps reads
  const bool is_whole = shape.kernel * run <= slice_steps;
  const std::int64_t slice = is_whole ? run : std::min(run, slice_steps);
  const std::int64_t slice_lines = is_whole ? shape.kernel : 1;
  for (std::int64_t tap_row = 0; tap_row < shape.kernel; tap_row += slice_lines) {
    for (std::int64_t begin = 0; begin < run; begin += slice) {
      for (std::int64_t line = 0; line < tile.lines; ++line) {
        multiply({.rows = shape.out_width,
                  .columns = tile.width,
                  .lines = slice_lines,
                  .steps = std::min(slice, run - begin),
                  .a = input.line(group, tile.first_line + line, shape.stride) + tap_row * input.row_stride + begin,
                  .a_row_stride = shape.stride * shape.channels,
                  .a_step_stride = 1,
                  .a_line_stride = input.row_stride,
                  .b = pass.weight.panel(tile.column) + (tap_row * run + begin) * tile.width,
                  .b_step_stride = tile.width,
                  .b_line_stride = run * tile.width,
                  .c = sums + line * shape.out_width * tile.width,
                  .c_row_stride = tile.width,
                  .is_accumulating = tap_row + begin > 0});
      }
    }
  }
}

/// Writes the sums of a tile with the bias and the addend added.
void finish_tile(const CorrelationPass& pass, const Group& group, const ProductTile& tile, const float* sums) {
  const Correlation& shape = pass.correlation;
  for (std::int64_t line = 0; line < tile.lines; ++line) {
    const std::int64_t at = tile.first_line + line;
    const std::int64_t frame = group.first_frame + at / group.rows;
    const std::int64_t row = frame * shape.out_height + group.first_row + at % group.rows;
    for (std::int64_t pixel = 0; pixel < shape.out_width; ++pixel) {
      const std::int64_t offset = (row * shape.out_width + pixel) * pass.outputs + tile.column;
      float* out = pass.out + offset;
      for (std::int64_t o = 0; o < tile.columns; ++o) {
        float sum = sums[o];
        sum = pass.bias == nullptr ? sum : sum + pass.bias[tile.column + o];
        out[o] = pass.addend == nullptr ? sum : sum + pass.addend[offset + o];
      }
      sums += tile.width;
    }
  }
}

}  // namespace

void correlate(const CorrelationPass& pass, Multiply multiply, int threads, std::vector<float>& memory) {
  const Correlation& shape = pass.correlation;
  const std::int64_t panels = row::range_count(pass.outputs, panel_width);
  const std::int64_t tile_lines = std::max<std::int64_t>(1, product_pixels / shape.out_width);
  for (const Group& group : groups_of(shape)) {
    const PackedInput input = pack_input(shape, group, pass.input, threads, memory);
    const std::int64_t tiles = row::range_count(group.lines(), tile_lines);
    row::for_each_range(threads, tiles * panels, 1, [&](std::int64_t job, std::int64_t /*end*/) {
      // Of each thread, for all convolutions that it will ever take part in.
      thread_local std::vector<float> sums;
      const std::int64_t column = job % panels * panel_width;
      const std::int64_t first_line = job / panels * tile_lines;
      const ProductTile tile{.first_line = first_line,
                             .lines = std::min(tile_lines, group.lines() - first_line),
                             .column = column,
                             .columns = std::min(panel_width, pass.outputs - column),
                             .width = padded_width(pass.outputs, column)};
      const auto floats = static_cast<std::size_t>(tile.lines * shape.out_width * tile.width);
      sums.resize(std::max(sums.size(), floats));
      sum_tile(pass, group, input, tile, multiply, sums.data());
      finish_tile(pass, group, tile, sums.data());
    });
  }
}

}  // namespace ringworld::host_convolution
