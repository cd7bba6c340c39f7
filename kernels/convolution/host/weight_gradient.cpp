#include "kernels/convolution/host/weight_gradient.hpp"

#include <algorithm>

#include "kernels/elementwise/parallel.hpp"

namespace ringworld::host_convolution {
namespace {

/// Pixels whose products are summed in registers before they are added to dweight: the pixels' channels and gradients
/// stay in the second-level cache while all blocks of dweight pass by.
constexpr std::int64_t slice_pixels = 256;

/// The gradient with its channels padded to whole registers.
const float* pad_columns(const float* from, std::int64_t rows, std::int64_t columns, std::int64_t padded, int threads,
                         std::vector<float>& memory) {
  memory.resize(std::max(memory.size(), static_cast<std::size_t>(rows * padded)));
  row::for_each_range(threads, rows, row::rows_per_range(padded), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t at = begin; at < end; ++at) {
      float* to = std::copy_n(from + at * columns, columns, memory.data() + at * padded);
      std::fill_n(to, padded - columns, 0.0F);
    }
  });
  return memory.data();
}

/// A row of taps and a panel of output channels over all pixels of a group.
void add_panel(const Correlation& shape, const Group& group, const PackedInput& input, const float* gradient,
               std::int64_t outputs, std::int64_t tap_row, std::int64_t column, Multiply multiply, float* dweight) {
  const std::int64_t run = shape.kernel * shape.channels;
  const std::int64_t most_lines = std::max<std::int64_t>(1, slice_pixels / shape.out_width);
  for (std::int64_t frame = 0; frame < group.frames; ++frame) {
    for (std::int64_t line = 0; line < group.rows; line += most_lines) {
      const std::int64_t row = (group.first_frame + frame) * shape.out_height + group.first_row + line;
      multiply({.rows = run,
                .columns = std::min(panel_width, outputs - column),
                .lines = std::min(most_lines, group.rows - line),
                .steps = shape.out_width,
                .a = input.line(group, frame * group.rows + line, shape.stride) + tap_row * input.row_stride,
                .a_row_stride = 1,
                .a_step_stride = shape.stride * shape.channels,
                .a_line_stride = shape.stride * input.row_stride,
                .b = gradient + row * shape.out_width * outputs + column,
                .b_step_stride = outputs,
                .b_line_stride = shape.out_width * outputs,
                .c = dweight + tap_row * run * outputs + column,
                .c_row_stride = outputs,
                .is_accumulating = true});
    }
  }
}

}  // namespace

void add_weight_gradient(const WeightGradientPass& pass, Multiply multiply, int threads,
                         WeightGradientScratch& scratch) {
  const Correlation& shape = pass.correlation;
  const std::int64_t pixels = shape.frames * shape.out_height * shape.out_width;
  const std::int64_t depth = shape.kernel * shape.kernel * shape.channels;
  const std::int64_t outputs = row::range_count(pass.outputs, lane_padding) * lane_padding;
  const bool is_padded = outputs != pass.outputs;
  const float* gradient = pass.gradient;
  float* dweight = pass.dweight;
  if (is_padded) {
    gradient = pad_columns(pass.gradient, pixels, pass.outputs, outputs, threads, scratch.gradient);
    scratch.dweight.assign(static_cast<std::size_t>(depth * outputs), 0.0F);
    dweight = scratch.dweight.data();
  }
  const std::int64_t panels = row::range_count(outputs, panel_width);
  for (const Group& group : groups_of(shape)) {
    const PackedInput input = pack_input(shape, group, pass.input, threads, scratch.input);
    row::for_each_range(threads, shape.kernel * panels, 1, [&](std::int64_t job, std::int64_t /*end*/) {
      add_panel(shape, group, input, gradient, outputs, job / panels, job % panels * panel_width, multiply, dweight);
    });
  }
  for (std::int64_t at = 0; is_padded && at < depth; ++at) {
    for (std::int64_t o = 0; o < pass.outputs; ++o) {
      pass.dweight[at * pass.outputs + o] += dweight[at * outputs + o];
    }
  }
}

void add_bias_gradient(const float* gradient, std::int64_t pixels, std::int64_t outputs, int threads, float* dbias,
                       std::vector<float>& memory) {
  constexpr std::int64_t fewest_pixels = 64;
  constexpr std::int64_t most_ranges = 64;
  const std::int64_t grain = std::max(fewest_pixels, row::range_count(pixels, most_ranges));
  const std::int64_t ranges = row::range_count(pixels, grain);
  memory.assign(static_cast<std::size_t>(ranges * outputs), 0.0F);
  row::for_each_range(threads, pixels, grain, [&](std::int64_t begin, std::int64_t end) {
    float* sums = memory.data() + begin / grain * outputs;
    for (std::int64_t pixel = begin; pixel < end; ++pixel) {
      for (std::int64_t o = 0; o < outputs; ++o) {
        sums[o] += gradient[pixel * outputs + o];
      }
    }
  });
  for (std::int64_t o = 0; o < outputs; ++o) {
    double sum = dbias[o];
    for (std::int64_t range = 0; range < ranges; ++range) {
      sum += static_cast<double>(memory[static_cast<std::size_t>(range * outputs + o)]);
    }
    dbias[o] = static_cast<float>(sum);
  }
}

}  // namespace ringworld::host_convolution
