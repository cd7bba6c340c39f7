#pragma once
/// @file  The transforms over one kind of register. Each is one of a column of numbers, done down and then across.

#include "kernels/convolution/host/tile_transforms.hpp"
#include "kernels/elementwise/simd.hpp"

namespace ringworld::host_convolution {
namespace {

template <class S>
struct Transforms {
  using Float = typename S::Float;

  // The polynomials of the algorithm are evaluated at 0, +-p, +-q and infinity. p = 5/8 and q = 3/2 are exact in fp32,
  // and results have half of the error that 1 and 2, the points of the source, give.
  static constexpr float p = 0.625F, q = 1.5F;
  static constexpr float pp = p * p, qq = q * q;
  static constexpr float of_p = 1 / (2 * pp * (pp - qq)), of_q = 1 / (2 * qq * (qq - pp)), of_0 = 1 / (pp * qq);

  // One column.
  static void by_b(const Float* in, Float* out) {
    const Float x1 = in[1], x2 = in[2], x3 = in[3], x4 = in[4];
    const Float even_p = x4 - S::set(qq) * x2, odd_p = S::set(p) * (x3 - S::set(qq) * x1);
    const Float even_q = x4 - S::set(pp) * x2, odd_q = S::set(q) * (x3 - S::set(pp) * x1);
    out[0] = S::set(pp * qq) * in[0] - S::set(pp + qq) * x2 + x4;
    out[1] = even_p + odd_p;
    out[2] = even_p - odd_p;
    out[3] = even_q + odd_q;
    out[4] = even_q - odd_q;
    out[5] = S::set(pp * qq) * x1 - S::set(pp + qq) * x3 + in[5];
  }
  static void by_a(const Float* in, Float* out) {
    const Float sum_p = in[1] + in[2], difference_p = in[1] - in[2];
    const Float sum_q = in[3] + in[4], difference_q = in[3] - in[4];
    out[0] = in[0] + sum_p + sum_q;
    out[1] = S::set(p) * difference_p + S::set(q) * difference_q;
    out[2] = S::set(pp) * sum_p + S::set(qq) * sum_q;
    out[3] = S::set(p * pp) * difference_p + S::set(q * qq) * difference_q + in[5];
  }
  static void by_a_back(const Float* in, Float* out) {
    const Float even_p = in[0] + S::set(pp) * in[2];
    const Float odd_p = S::set(p) * in[1] + S::set(p * pp) * in[3];
    const Float even_q = in[0] + S::set(qq) * in[2];
    const Float odd_q = S::set(q) * in[1] + S::set(q * qq) * in[3];
    out[0] = in[0];
    out[1] = even_p + odd_p;
    out[2] = even_p - odd_p;
    out[3] = even_q + odd_q;
    out[4] = even_q - odd_q;
    out[5] = in[3];
  }
  static void by_g(const Float* in, Float* out) {
    const Float even_p = S::set(of_p) * in[0] + S::set(of_p * pp) * in[2];
    const Float even_q = S::set(of_q) * in[0] + S::set(of_q * qq) * in[2];
    const Float odd_p = S::set(of_p * p) * in[1], odd_q = S::set(of_q * q) * in[1];
    out[0] = S::set(of_0) * in[0];
    out[1] = even_p + odd_p;
    out[2] = even_p - odd_p;
    out[3] = even_q + odd_q;
    out[4] = even_q - odd_q;
    out[5] = in[2];
  }
  static void by_g_back(const Float* in, Float* out) {
    const Float sum_p = in[1] + in[2], difference_p = in[1] - in[2];
    const Float sum_q = in[3] + in[4], difference_q = in[3] - in[4];
    out[0] = S::set(of_0) * in[0] + S::set(of_p) * sum_p + S::set(of_q) * sum_q;
    out[1] = S::set(of_p * p) * difference_p + S::set(of_q * q) * difference_q;
    out[2] = S::set(of_p * pp) * sum_p + S::set(of_q * qq) * sum_q + in[5];
  }

  /// Down the columns of (In, In), then across the rows of (Out, In). Numbers are loaded a column and stored a row at a
  /// time, since all of them are more than there are registers.
  template <int In, int Out, class Load, class Column, class Store>
  static void both_ways(const Load& load, const Column& column, const Store& store) {
    Float between[Out][In];
#pragma GCC unroll 6
    for (int at = 0; at < In; ++at) {
      Float in[In], out[Out];
#pragma GCC unroll 6
      for (int k = 0; k < In; ++k) {
        in[k] = load(k * In + at);
      }
      column(in, out);
#pragma GCC unroll 6
      for (int k = 0; k < Out; ++k) {
        between[k][at] = out[k];
      }
    }
#pragma GCC unroll 6
    for (int at = 0; at < Out; ++at) {
      Float out[Out];
      column(between[at], out);
#pragma GCC unroll 6
      for (int k = 0; k < Out; ++k) {
        store(at * Out + k, out[k]);
      }
    }
  }

  static void input(const float* const* pixels, std::int64_t channels, float* out, std::int64_t position_stride) {
    for (std::int64_t c = 0; c < channels; c += S::lanes) {
      both_ways<6, 6>([&](int at) { return S::load(pixels[at] + c); }, by_b,
                      [&](int at, Float value) { S::store(out + at * position_stride + c, value); });
    }
  }

  static void output(const float* sums, std::int64_t position_stride, std::int64_t channels, const float* bias,
                     const float* const* addends, float* const* out) {
    for (std::int64_t c = 0; c < channels; c += S::lanes) {
      both_ways<6, 4>([&](int at) { return S::load(sums + at * position_stride + c); }, by_a,
                      [&](int at, Float value) {
                        value = bias == nullptr ? value : value + S::load(bias + c);
                        value = addends == nullptr ? value : value + S::load(addends[at] + c);
                        S::store(out[at] + c, value);
                      });
    }
  }

  static void gradient(const float* const* pixels, std::int64_t channels, float* out, std::int64_t position_stride) {
    for (std::int64_t c = 0; c < channels; c += S::lanes) {
      both_ways<4, 6>([&](int at) { return S::load(pixels[at] + c); }, by_a_back,
                      [&](int at, Float value) { S::store(out + at * position_stride + c, value); });
    }
  }

  static void weight(const float* taps, std::int64_t count, float* out) {
    for (std::int64_t c = 0; c < count; c += S::lanes) {
      both_ways<3, 6>([&](int at) { return S::load(taps + at * count + c); }, by_g,
                      [&](int at, Float value) { S::store(out + at * count + c, value); });
    }
  }

  static void weight_gradient(const float* sums, std::int64_t count, float* taps) {
    for (std::int64_t c = 0; c < count; c += S::lanes) {
      both_ways<6, 3>([&](int at) { return S::load(sums + at * count + c); }, by_g_back,
                      [&](int at, Float value) {
                        float* const tap = taps + at * count + c;
                        S::store(tap, S::load(tap) + value);
                      });
    }
  }
};

template <class S>
TileTransforms tile_transforms() {
  using T = Transforms<S>;
  return {.input = T::input,
          .output = T::output,
          .gradient = T::gradient,
          .weight = T::weight,
          .weight_gradient = T::weight_gradient};
}

}  // namespace
}  // namespace ringworld::host_convolution
