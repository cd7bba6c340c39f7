#include "kernels/convolution/host/packing.hpp"

#include <algorithm>

#include "kernels/convolution/host/product.hpp"
#include "kernels/elementwise/parallel.hpp"

namespace ringworld::host_convolution {
namespace {

constexpr std::int64_t most_packed_floats = 1 << 20;

std::int64_t packed_side(const Correlation& correlation, std::int64_t out) {
  return (out - 1) * correlation.stride + correlation.kernel;
}

void make_room(std::vector<float>& memory, std::int64_t floats) {
  if (std::ssize(memory) < floats) {
    memory.resize(static_cast<std::size_t>(floats));
  }
}

/// One row with its padding. @param from null: a row of zeros
void pack_row(const Correlation& correlation, const float* from, float* to) {
  const std::int64_t side = packed_side(correlation, correlation.out_width);
  const std::int64_t channels = correlation.channels;
  if (from == nullptr) {
    std::fill_n(to, side * channels, 0.0F);
    return;
  }
  if (correlation.dilation == 1) {
    const std::int64_t before = std::min(correlation.pad_begin, side);
    const std::int64_t inside = std::clamp<std::int64_t>(side - before, 0, correlation.width);
    to = std::fill_n(to, before * channels, 0.0F);
    to = std::copy_n(from, inside * channels, to);
    std::fill_n(to, (side - before - inside) * channels, 0.0F);
    return;
  }
  for (std::int64_t column = 0; column < side; ++column) {
    const std::int64_t at = column - correlation.pad_begin;
    const bool is_inside = at >= 0 && at % correlation.dilation == 0 && at / correlation.dilation < correlation.width;
    to = is_inside ? std::copy_n(from + at / correlation.dilation * channels, channels, to)
                   : std::fill_n(to, channels, 0.0F);
  }
}

/// Calls body(panel's first column, its columns, its padded width) for every panel, on `threads` threads.
template <class Body>
void for_each_panel(int threads, std::int64_t columns, const Body& body) {
  row::for_each_range(threads, columns, panel_width, [&](std::int64_t begin, std::int64_t end) {
    body(begin, end - begin, padded_width(columns, begin));
  });
}

}  // namespace

std::vector<Group> groups_of(const Correlation& correlation) {
  const std::int64_t row_floats = packed_side(correlation, correlation.out_width) * correlation.channels;
  const std::int64_t frame_floats = packed_side(correlation, correlation.out_height) * row_floats;
  const std::int64_t frames = std::max<std::int64_t>(1, most_packed_floats / frame_floats);
  const std::int64_t rows_that_fit = (most_packed_floats / row_floats - correlation.kernel) / correlation.stride + 1;
  const std::int64_t rows = frame_floats <= most_packed_floats
                                ? correlation.out_height
                                : std::clamp<std::int64_t>(rows_that_fit, 1, correlation.out_height);
  std::vector<Group> groups;
  for (std::int64_t frame = 0; frame < correlation.frames; frame += frames) {
    for (std::int64_t row = 0; row < correlation.out_height; row += rows) {
      groups.push_back({.first_frame = frame,
                        .frames = std::min(frames, correlation.frames - frame),
                        .first_row = row,
                        .rows = std::min(rows, correlation.out_height - row)});
    }
  }
  return groups;
}

PackedInput pack_input(const Correlation& correlation, const Group& group, const float* input, int threads,
                       std::vector<float>& memory) {
  const std::int64_t input_row = correlation.width * correlation.channels;
  const std::int64_t first = group.first_row * correlation.stride - correlation.pad_begin;
  if (correlation.reads_frames_only()) {
    return {.data = input + (group.first_frame * correlation.height + first) * input_row,
            .row_stride = input_row,
            .frame_stride = correlation.height * input_row};
  }
  const std::int64_t rows = packed_side(correlation, group.rows);
  const std::int64_t row_floats = packed_side(correlation, correlation.out_width) * correlation.channels;
  make_room(memory, group.frames * rows * row_floats);
  row::for_each_range(
      threads, group.frames * rows, row::rows_per_range(row_floats), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t at = begin; at < end; ++at) {
          const std::int64_t row = first + at % rows;
          const bool is_inside =
              row >= 0 && row % correlation.dilation == 0 && row / correlation.dilation < correlation.height;
          const std::int64_t from = (group.first_frame + at / rows) * correlation.height + row / correlation.dilation;
          pack_row(correlation, is_inside ? input + from * input_row : nullptr, memory.data() + at * row_floats);
        }
      });
  return {.data = memory.data(), .row_stride = row_floats, .frame_stride = rows * row_floats};
}

std::int64_t padded_width(std::int64_t columns, std::int64_t column) {
  const std::int64_t width = std::min(panel_width, columns - column);
  return (width + lane_padding - 1) / lane_padding * lane_padding;
}

PackedWeight pack_weight(const float* weight, std::int64_t depth, std::int64_t outputs, int threads,
                         std::vector<float>& memory) {
  if (outputs <= panel_width && outputs % lane_padding == 0) {
    return {.data = weight, .depth = depth};
  }
  make_room(memory, depth * (outputs + lane_padding));
  for_each_panel(threads, outputs, [&](std::int64_t begin, std::int64_t columns, std::int64_t width) {
    float* to = memory.data() + begin * depth;
    for (std::int64_t at = 0; at < depth; ++at) {
      to = std::copy_n(weight + at * outputs + begin, columns, to);
      to = std::fill_n(to, width - columns, 0.0F);
    }
  });
  return {.data = memory.data(), .depth = depth};
}

PackedWeight pack_flipped_weight(const float* weight, std::int64_t taps, std::int64_t inputs, std::int64_t outputs,
                                 int threads, std::vector<float>& memory) {
  const std::int64_t depth = taps * outputs;
  make_room(memory, depth * (inputs + lane_padding));
  for_each_panel(threads, inputs, [&](std::int64_t begin, std::int64_t columns, std::int64_t width) {
    float* panel = memory.data() + begin * depth;
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      const float* from = weight + ((taps - 1 - tap) * inputs + begin) * outputs;
      float* to = panel + tap * outputs * width;
      for (std::int64_t o = 0; o < outputs; ++o) {
        for (std::int64_t i = 0; i < columns; ++i) {
          to[o * width + i] = from[i * outputs + o];
        }
        std::fill_n(to + o * width + columns, width - columns, 0.0F);
      }
    }
  });
  return {.data = memory.data(), .depth = depth};
}

}  // namespace ringworld::host_convolution
