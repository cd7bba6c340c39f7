#pragma once
/// @file  The row functions as templates over the register (`Simd`), included by one source file an instruction set.

#include "kernels/elementwise/pixel_functions_impl.hpp"
#include "kernels/elementwise/row_functions.hpp"
#include "kernels/elementwise/row_products_impl.hpp"
#include "kernels/elementwise/sigmoid.hpp"
#include "kernels/elementwise/sweep.hpp"

namespace ringworld::row {
namespace {

template <class S, class T>
float normalize(const NormRow<T>& row) {
  using Float = typename S::Float;
  SlotSums<S> squares;
  const T* source = row.x;
  if (row.branch == nullptr) {
    sweep<S>(row.columns, [&](auto block) {
      const Float x = block.load(row.x);
      squares.value[block.slot] += x * x;
    });
  } else {
    source = row.sum;
    sweep<S>(row.columns, [&](auto block) {
      block.store(row.sum, block.load(row.x) + block.load(row.branch));
      // Statistics of what the backward pass will read: the rounded sum.
      const Float sum = block.load(row.sum);
      squares.value[block.slot] += sum * sum;
    });
  }
  const float mean = squares.total() / static_cast<float>(row.columns);
  const float inverse_rms = 1.0F / __builtin_sqrtf(mean + row.epsilon);
  sweep<S>(row.columns,
           [&](auto block) { block.store(row.y, block.load(source) * inverse_rms * block.load(row.weight)); });
  return inverse_rms;
}

/// With n = x / rms: dx = (w dy - n mean(w dy n)) / rms, dw += dy n.
template <class S, class T>
void normalize_backward(const NormGradientRow<T>& row) {
  using Float = typename S::Float;
  const float inverse_rms = row.inverse_rms;
  SlotSums<S> dots;
  sweep<S>(row.columns, [&](auto block) {
    dots.value[block.slot] += block.load(row.dy) * block.load(row.weight) * block.load(row.x);
  });
  const float mean = dots.total() * inverse_rms / static_cast<float>(row.columns);
  const auto finish = [&](auto residual) {
    sweep<S>(row.columns, [&](auto block) {
      // The first sweep waits for memory and this one for arithmetic: rows mostly lie one behind the other.
      block.prefetch(row.dy + row.columns);
      block.prefetch(row.x + row.columns);
      const Float dy = block.load(row.dy);
      const Float normal = block.load(row.x) * inverse_rms;
      const Float dx = (dy * block.load(row.weight) - normal * mean) * inverse_rms;
      block.store(row.dweight, block.load(row.dweight) + dy * normal);
      block.store(row.dx, dx + residual(block));
    });
  };
  if (row.residual_gradient == nullptr) {
    finish([](auto /*block*/) { return Float{}; });
  } else {
    finish([&](auto block) -> Float { return block.load(row.residual_gradient); });
  }
}

/// Heads of a register's size: both halves are turned at once, (a, b) (cos, cos) + (b, a) (-sin, sin). Halves of a
/// register each would be loaded and stored lane by lane.
template <class S, class T>
void rotate_register_heads(const RotatedToken<T>& token) {
  using Float = typename S::Float;
  const Float lower_cosine = S::load_part(token.cosine, token.half, 0);
  const Float lower_sine = S::load_part(token.sine, token.half, 0) * token.direction;
  const Float cosine = lower_cosine + S::swap_halves(lower_cosine);
  const Float sine = S::swap_halves(lower_sine) - lower_sine;
  for (std::int64_t head = 0; head < token.heads; ++head) {
    T* x = token.x + head * token.head_stride;
    const Float value = S::load(x);
    S::store(x, value * cosine + S::swap_halves(value) * sine);
  }
}

template <class S, class T>
void rotate_half_split(const RotatedToken<T>& token) {
  using Float = typename S::Float;
  if (2 * token.half == S::lanes) {
    rotate_register_heads<S>(token);
    return;
  }
  for (std::int64_t head = 0; head < token.heads; ++head) {
    T* first = token.x + head * token.head_stride;
    T* second = first + token.half;
    sweep<S>(token.half, [&](auto block) {
      const Float cosine = block.load(token.cosine);
      const Float sine = block.load(token.sine) * token.direction;
      const Float a = block.load(first);
      const Float b = block.load(second);
      block.store(first, a * cosine - b * sine);
      block.store(second, a * sine + b * cosine);
    });
  }
}

template <class S, class T>
void rotate_interleaved(const RotatedToken<T>& token) {
  using Float = typename S::Float;
  constexpr int lanes = S::lanes;
  for (std::int64_t head = 0; head < token.heads; ++head) {
    T* x = token.x + head * token.head_stride;
    for (std::int64_t pair = 0; pair < token.half; pair += lanes) {
      const std::int64_t left = token.half - pair;
      const bool is_whole = left >= lanes;
      // Elements of the pair block's lower and upper register.
      const std::int64_t lower = 2 * left < lanes ? 2 * left : lanes;
      const std::int64_t upper = 2 * left - lower;
      T* from = x + 2 * pair;
      const Float low = is_whole ? S::load(from) : S::load_part(from, lower, 0);
      const Float high = is_whole ? S::load(from + lanes) : S::load_part(from + lower, upper, 0);
      const Float cosine = is_whole ? S::load(token.cosine + pair) : S::load_part(token.cosine + pair, left, 0);
      const Float sine =
          (is_whole ? S::load(token.sine + pair) : S::load_part(token.sine + pair, left, 0)) * token.direction;
      const Float a = S::template every_other<0>(low, high);
      const Float b = S::template every_other<1>(low, high);
      const Float turned_a = a * cosine - b * sine;
      const Float turned_b = a * sine + b * cosine;
      const Float new_low = S::template interleave<0>(turned_a, turned_b);
      const Float new_high = S::template interleave<lanes / 2>(turned_a, turned_b);
      if (is_whole) {
        S::store(from, new_low);
        S::store(from + lanes, new_high);
      } else {
        S::store_part(from, lower, new_low);
        S::store_part(from + lower, upper, new_high);
      }
    }
  }
}

template <class S, class T>
void swiglu(const SwiGluRow<T>& row) {
  using Float = typename S::Float;
  sweep<S>(row.columns, [&](auto block) {
    block.prefetch(row.gate + row.to_next_row);
    block.prefetch(row.up + row.to_next_row);
    const Float gate = block.load(row.gate);
    block.store(row.y, gate * sigmoid<S>(gate) * block.load(row.up));
  });
}

/// silu'(g) = s + g s (1 - s) with s = sigmoid(g).
template <class S, class T>
void swiglu_backward(const SwiGluGradientRow<T>& row) {
  using Float = typename S::Float;
  sweep<S>(row.columns, [&](auto block) {
    block.prefetch(row.gate + row.to_next_row);
    block.prefetch(row.up + row.to_next_row);
    block.prefetch(row.dy + row.columns);
    const Float gate = block.load(row.gate);
    const Float up = block.load(row.up);
    const Float dy = block.load(row.dy);
    const Float share = sigmoid<S>(gate);
    const Float silu = gate * share;
    block.store(row.dgate, dy * up * (share + silu * (1.0F - share)));
    block.store(row.dup, dy * silu);
    if (row.y != nullptr) {
      block.store(row.y, silu * up);
    }
  });
}

template <class S, class From, class To>
void copy(const From* from, To* to, std::int64_t count) {
  sweep<S>(count, [&](auto block) { block.store(to, block.load(from)); });
}

template <class S, class T>
void add(const T* from, float* to, std::int64_t count) {
  sweep<S>(count, [&](auto block) { block.store(to, block.load(to) + block.load(from)); });
}

template <class S>
float maximum(const float* values, std::int64_t count) {
  using Float = typename S::Float;
  Float largest[slots];
  for (Float& slot : largest) {
    slot = S::set(minus_infinity);
  }
  sweep<S>(count, [&](auto block) {
    largest[block.slot] = S::larger(largest[block.slot], block.load(values, minus_infinity));
  });
  const auto larger = [](Float a, Float b) { return S::larger(a, b); };
  return S::reduce(larger(larger(largest[0], largest[1]), larger(largest[2], largest[3])), larger);
}

template <class S>
float sum_exponentials(const float* values, std::int64_t count, float largest, float* exponentials) {
  using Float = typename S::Float;
  SlotSums<S> sums;
  // The next row is fetched meanwhile: its maximum would wait for memory, and this sweep waits for arithmetic.
  if (exponentials == nullptr) {
    sweep<S>(count, [&](auto block) {
      block.prefetch(values + count);
      sums.value[block.slot] += S::exp(block.load(values, minus_infinity) - largest);
    });
  } else {
    sweep<S>(count, [&](auto block) {
      block.prefetch(values + count);
      const Float exponential = S::exp(block.load(values, minus_infinity) - largest);
      sums.value[block.slot] += exponential;
      block.store(exponentials, exponential);
    });
  }
  return sums.total();
}

template <class S>
void scale(float* values, std::int64_t count, float factor) {
  sweep<S>(count, [&](auto block) { block.store(values, block.load(values) * factor); });
}

template <class S>
void combine(const float* from, float from_factor, float* to, float to_factor, std::int64_t count) {
  sweep<S>(count, [&](auto block) { block.store(to, block.load(to) * to_factor + block.load(from) * from_factor); });
}

template <class S>
void adamw(const AdamWRow& row) {
  using Float = typename S::Float;
  const AdamWFactors& by = row.factors;
  const auto update = [&](auto keep_copy) {
    sweep<S>(row.count, [&](auto block) {
      const Float gradient = block.load(row.gradient) * by.gradient_scale;
      const Float first = by.beta1 * block.load(row.first_moment) + by.one_minus_beta1 * gradient;
      const Float second = by.beta2 * block.load(row.second_moment) + by.one_minus_beta2 * (gradient * gradient);
      const Float divisor = S::square_root(second) * by.inverse_root_correction + by.epsilon;
      const Float parameter = block.load(row.parameter) * by.decay - by.step_size * first / divisor;
      block.store(row.first_moment, first);
      block.store(row.second_moment, second);
      block.store(row.parameter, parameter);
      keep_copy(block, parameter);
    });
  };
  if (row.copy == nullptr) {
    update([](auto /*block*/, Float /*parameter*/) {});
  } else {
    update([&](auto block, Float parameter) { block.store(row.copy, parameter); });
  }
}

/// Element i goes to sum i % 32. The square of a float is exact in double, so that fused and separate multiplication
/// and addition agree.
double sum_of_squares(const float* values, std::int64_t count) {
  constexpr std::int64_t width = 32;
  double sums[width] = {};
  std::int64_t begin = 0;
  for (; begin + width <= count; begin += width) {
    for (std::int64_t i = 0; i < width; ++i) {
      const double value = static_cast<double>(values[begin + i]);
      sums[i] += value * value;
    }
  }
  for (std::int64_t i = 0; begin + i < count; ++i) {
    const double value = static_cast<double>(values[begin + i]);
    sums[i] += value * value;
  }
  for (std::int64_t half = width / 2; half > 0; half /= 2) {
    for (std::int64_t i = 0; i < half; ++i) {
      sums[i] += sums[i + half];
    }
  }
  return sums[0];
}

template <class S, class T>
constexpr TypedRowFunctions<T> make_typed_row_functions() {
  return {.normalize = &normalize<S, T>,
          .normalize_backward = &normalize_backward<S, T>,
          .rotate_half_split = &rotate_half_split<S, T>,
          .rotate_interleaved = &rotate_interleaved<S, T>,
          .swiglu = &swiglu<S, T>,
          .swiglu_backward = &swiglu_backward<S, T>,
          .copy_float32 = &copy<S, float, T>,
          .copy_bfloat16 = &copy<S, bf16, T>,
          .add = &add<S, T>,
          .dot_products = &dot_products<S, T>,
          .weighted_sums = &weighted_sums<S, T>};
}

template <class S>
constexpr RowFunctions make_row_functions() {
  return {.float32 = make_typed_row_functions<S, float>(),
          .bfloat16 = make_typed_row_functions<S, bf16>(),
          .pixels = make_pixel_functions<S>(),
          .maximum = &maximum<S>,
          .sum_exponentials = &sum_exponentials<S>,
          .scale = &scale<S>,
          .combine = &combine<S>,
          .adamw = &adamw<S>,
          .sum_of_squares = &sum_of_squares};
}

}  // namespace
}  // namespace ringworld::row
