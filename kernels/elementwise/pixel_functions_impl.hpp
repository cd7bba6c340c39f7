#pragma once
/// @file  The pixel functions as templates over the register (`Simd`), included by one source file an instruction set.

#include "kernels/elementwise/pixel_functions.hpp"
#include "kernels/elementwise/sigmoid.hpp"
#include "kernels/elementwise/sweep.hpp"

namespace ringworld::row {
namespace {

/// Calls `body(channels)` for each register's worth of channels; the coefficients of these stay in registers while the
/// body walks over the pixels.
template <class S, class Body>
void for_each_channels(std::int64_t channels, const Body& body) {
  std::int64_t offset = 0;
  for (; offset + S::lanes <= channels; offset += S::lanes) {
    body(Block<S, 0>{offset});
  }
  if (offset < channels) {
    body(LastBlock<S>{offset, channels - offset});
  }
}

/// Calls `body(pixel, slot)`. Sums are kept a slot, so that no addition waits for the one before.
template <class Body>
void for_each_pixel(std::int64_t pixels, const Body& body) {
  std::int64_t p = 0;
  for (; p + slots <= pixels; p += slots) {
    for (int slot = 0; slot < slots; ++slot) {
      body(p + slot, slot);
    }
  }
  for (; p < pixels; ++p) {
    body(p, 0);
  }
}

template <class S>
typename S::Float total(const typename S::Float (&sums)[slots]) {
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

template <class S>
void channel_moments(const ChannelMoments& panel) {
  using Float = typename S::Float;
  for_each_channels<S>(panel.channels, [&](auto channels) {
    const auto x = [&](std::int64_t p) -> Float { return channels.load(panel.x + p * panel.channels); };
    Float sums[slots] = {};
    for_each_pixel(panel.pixels, [&](std::int64_t p, int slot) { sums[slot] += x(p); });
    const Float center = total<S>(sums) / static_cast<float>(panel.pixels);
    Float distances[slots] = {};
    Float squares[slots] = {};
    for_each_pixel(panel.pixels, [&](std::int64_t p, int slot) {
      const Float distance = x(p) - center;
      distances[slot] += distance;
      squares[slot] += distance * distance;
    });
    channels.store(panel.center, center);
    channels.store(panel.sum, total<S>(distances));
    channels.store(panel.squares, total<S>(squares));
  });
}

template <class S>
void normalize_channels(const ChannelNorm& panel) {
  using Float = typename S::Float;
  for_each_channels<S>(panel.channels, [&](auto channels) {
    const Float mean = channels.load(panel.mean);
    const Float factor = channels.load(panel.factor);
    const Float bias = channels.load(panel.bias);
    const auto walk = [&](auto activation) {
      for (std::int64_t p = 0; p < panel.pixels; ++p) {
        const Float u = (channels.load(panel.x + p * panel.channels) - mean) * factor + bias;
        channels.store(panel.y + p * panel.channels, activation(u));
      }
    };
    if (panel.has_silu) {
      walk([](Float u) -> Float { return u * sigmoid<S>(u); });
    } else {
      walk([](Float u) -> Float { return u; });
    }
  });
}

/// silu'(u) = s + u s (1 - s) with s = sigmoid(u).
template <class S>
typename S::Float silu_gradient(typename S::Float u) {
  const typename S::Float share = sigmoid<S>(u);
  return share + u * share * (1.0F - share);
}

template <class S>
void sum_channel_gradients(const ChannelGradientSums& panel) {
  using Float = typename S::Float;
  for_each_channels<S>(panel.channels, [&](auto channels) {
    const Float mean = channels.load(panel.mean);
    const Float factor = channels.load(panel.factor);
    const Float bias = channels.load(panel.bias);
    Float sums[slots] = {};
    Float with_distance[slots] = {};
    for_each_pixel(panel.pixels, [&](std::int64_t p, int slot) {
      const std::int64_t at = p * panel.channels;
      const Float distance = channels.load(panel.x + at) - mean;
      Float du = channels.load(panel.dy + at);
      if (panel.has_silu) {
        du *= silu_gradient<S>(distance * factor + bias);
      }
      if (panel.du != nullptr) {
        channels.store(panel.du + at, du);
      }
      sums[slot] += du;
      with_distance[slot] += du * distance;
    });
    channels.store(panel.sum, total<S>(sums));
    channels.store(panel.sum_with_distance, total<S>(with_distance));
  });
}

template <class S>
void normalize_channels_backward(const ChannelGradient& panel) {
  using Float = typename S::Float;
  for_each_channels<S>(panel.channels, [&](auto channels) {
    const Float mean = channels.load(panel.mean);
    const Float factor = channels.load(panel.factor);
    const Float bias = channels.load(panel.bias);
    const Float constant = channels.load(panel.constant);
    const Float slope = channels.load(panel.slope);
    for (std::int64_t p = 0; p < panel.pixels; ++p) {
      const std::int64_t at = p * panel.channels;
      const Float distance = channels.load(panel.x + at) - mean;
      Float du = channels.load(panel.dy + at);
      if (panel.has_silu) {
        du *= silu_gradient<S>(distance * factor + bias);
      }
      const Float gradient = du * factor - constant - distance * slope;
      channels.store(panel.dx + at, panel.adds_to_dx ? channels.load(panel.dx + at) + gradient : gradient);
    }
  });
}

template <class S>
DifferenceSums sum_differences(const Differences& pair) {
  using Float = typename S::Float;
  SlotSums<S> absolute;
  SlotSums<S> squared;
  const Float scale = S::set(pair.absolute_scale);
  const float slope = 2 * pair.squared_scale;
  sweep<S>(pair.count, [&](auto block) {
    const Float difference = block.load(pair.a) - block.load(pair.b);
    absolute.value[block.slot] += S::larger(difference, -difference);
    squared.value[block.slot] += difference * difference;
    if (pair.gradient != nullptr) {
      const Float sign = difference > Float{} ? scale : difference < Float{} ? -scale : Float{};
      block.store(pair.gradient, sign + difference * slope);
    }
  });
  return {.absolute = absolute.total(), .squared = squared.total()};
}

/// Scores of `Rows` vectors: a block of codes is read once for all of them.
template <class S, int Rows>
void score_codes_of(const CodeScores& search) {
  using Float = typename S::Float;
  constexpr int registers = static_cast<int>(CodeScores::code_block) / S::lanes;
  for (std::int64_t begin = 0; begin < search.padded_codes; begin += CodeScores::code_block) {
    const float* codes = search.codes + begin * search.size;
    Float sums[Rows][registers] = {};
    for (std::int64_t d = 0; d < search.size; ++d) {
      for (int r = 0; r < registers; ++r) {
        const Float e = S::load(codes + d * CodeScores::code_block + r * S::lanes);
        for (int row = 0; row < Rows; ++row) {
          sums[row][r] += search.z[row * search.size + d] * e;
        }
      }
    }
    for (int row = 0; row < Rows; ++row) {
      for (int r = 0; r < registers; ++r) {
        const std::int64_t k = begin + r * S::lanes;
        S::store(search.scores + row * search.padded_codes + k, sums[row][r] - S::load(search.offsets + k));
      }
    }
  }
}

template <class S>
void score_codes(const CodeScores& search) {
  static_assert(CodeScores::most_rows == 4);
  switch (search.rows) {
    case 1:
      return score_codes_of<S, 1>(search);
    case 2:
      return score_codes_of<S, 2>(search);
    case 3:
      return score_codes_of<S, 3>(search);
    default:
      return score_codes_of<S, 4>(search);
  }
}

template <class S>
std::int64_t find_not_smaller(const float* values, std::int64_t begin, std::int64_t count, float limit) {
  using Int = typename S::Int;
  std::int64_t i = begin;
  for (; i + S::lanes <= count; i += S::lanes) {
    const Int is_smaller = S::load(values + i) < S::set(limit);
    if (S::any(~is_smaller)) {
      break;
    }
  }
  while (i < count && values[i] < limit) {
    ++i;
  }
  return i;
}

template <class S>
constexpr PixelFunctions make_pixel_functions() {
  return {.channel_moments = &channel_moments<S>,
          .normalize_channels = &normalize_channels<S>,
          .sum_channel_gradients = &sum_channel_gradients<S>,
          .normalize_channels_backward = &normalize_channels_backward<S>,
          .sum_differences = &sum_differences<S>,
          .score_codes = &score_codes<S>,
          .find_not_smaller = &find_not_smaller<S>};
}

}  // namespace
}  // namespace ringworld::row
