/// @file  Block attention in plain loops: the oracle that the other backends are held to.
/// Sums run in double within a call; what crosses calls (state, gradients) is fp32, as the contract says. No threads,
/// no tiles, no scratch memory: the backward pass walks the block twice, row by row for dq and key by key for dk and
/// dv, so that each of its sums is complete before it is rounded.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "core/error.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/attention/minus_infinity.hpp"

namespace ringworld {
namespace {

/// A sum over keys or queries of one head, D elements.
using HeadSum = std::vector<double>;

bool is_visible(const BlockMask& mask, std::int64_t b, std::int64_t i, std::int64_t j) {
  // Written as a difference, so that no diagonal can overflow.
  if (mask.is_causal && j - i > mask.diagonal) {
    return false;
  }
  if (!mask.has_documents()) {
    return true;
  }
  const std::int32_t document = mask.query_document_ids(b, i);
  return document >= 0 && document == mask.key_document_ids(b, j);
}

bool may_continue(const Progress& progress) { return !progress || progress(); }

/// One token's vector of one head.
template <class Element>
struct HeadVector {
  const Element* data;
  std::int64_t size;

  HeadVector(const TensorView<const Element, 4>& tensor, std::int64_t b, std::int64_t t, std::int64_t h)
      : data(&tensor(b, t, h, 0)), size(tensor.shape[3]) {}

  [[nodiscard]] double operator[](std::int64_t d) const { return static_cast<double>(static_cast<float>(data[d])); }
};

template <class Left, class Right>
double dot(const HeadVector<Left>& left, const HeadVector<Right>& right) {
  double sum = 0.0;
  for (std::int64_t d = 0; d < left.size; ++d) {
    sum += left[d] * right[d];
  }
  return sum;
}

/// scale * q . k. A double, but for scores so large that the numbers of fp32 lie more than one apart: the maximum of a
/// row, a float, could then be so far below its largest score that a sum relative to it overflows. There a score is the
/// float next to it, in both passes.
double scaled_score(double scale, double product) {
  constexpr double end_of_unit_spacing = 16777216.0;
  const double score = scale * product;
  return std::abs(score) < end_of_unit_spacing ? score : static_cast<double>(static_cast<float>(score));
}

/// sum += factor * vector
template <class Element>
void add_scaled(HeadSum& sum, double factor, const HeadVector<Element>& vector) {
  for (std::int64_t d = 0; d < vector.size; ++d) {
    sum[static_cast<std::size_t>(d)] += factor * vector[d];
  }
}

void add_rounded(const TensorView<float, 4>& gradient, std::int64_t b, std::int64_t t, std::int64_t h,
                 const HeadSum& sum) {
  for (std::int64_t d = 0; d < gradient.shape[3]; ++d) {
    const double total = static_cast<double>(gradient(b, t, h, d)) + sum[static_cast<std::size_t>(d)];
    gradient(b, t, h, d) = static_cast<float>(total);
  }
}

/// A query's state with double sums; the maximum stays a float.
///
/// The sums are relative to the maximum, so the maximum that is stored must be the very number that they were
/// computed with: rounding it afterwards would scale a row by e^(rounding error).
class RunningRow {
 public:
  RunningRow(const AttentionState& state, std::int64_t b, std::int64_t h, std::int64_t i)
      : maximum_(state.maximum(b, h, i)),
        sum_(static_cast<double>(state.sum(b, h, i))),
        output_(static_cast<std::size_t>(state.output.shape[3])) {
    if (maximum_ == minus_infinity) {
      return;
    }
    for (std::int64_t d = 0; d < state.output.shape[3]; ++d) {
      output_[static_cast<std::size_t>(d)] = static_cast<double>(state.output(b, h, i, d));
    }
  }

  template <class Element>
  void fold(double score, const HeadVector<Element>& value) {
    if (const auto rounded = static_cast<float>(score); rounded > maximum_) {
      rescale(rounded);
    }
    // A score of -inf weighs nothing, also where the maximum is -inf still: their difference is no number.
    const double weight = score == minus_infinity ? 0.0 : std::exp(score - static_cast<double>(maximum_));
    sum_ += weight;
    add_scaled(output_, weight, value);
  }

  void store(const AttentionState& state, std::int64_t b, std::int64_t h, std::int64_t i) const {
    state.maximum(b, h, i) = maximum_;
    state.sum(b, h, i) = static_cast<float>(sum_);
    for (std::int64_t d = 0; d < state.output.shape[3]; ++d) {
      state.output(b, h, i, d) = static_cast<float>(output_[static_cast<std::size_t>(d)]);
    }
  }

 private:
  void rescale(float maximum) {
    // The new maximum is finite, so the first key gives e^(-inf) = 0, and never -inf - (-inf).
    const double factor = std::exp(static_cast<double>(maximum_) - static_cast<double>(maximum));
    sum_ *= factor;
    for (double& element : output_) {
      element *= factor;
    }
    maximum_ = maximum;
  }

  float maximum_;
  double sum_;
  HeadSum output_;
};

template <class Query, class Key>
bool fold_keys(const ForwardBlock& block, double scale, const AttentionState& state, const Progress& progress) {
  const auto q = block.q.as<Query>();
  const auto k = block.k.as<Key>();
  const auto v = block.v.as<Key>();
  const std::int64_t heads_per_kv_head = block.q.heads() / block.k.heads();
  for (std::int64_t b = 0; b < block.q.batch(); ++b) {
    for (std::int64_t h = 0; h < block.q.heads(); ++h) {
      const std::int64_t kv_head = h / heads_per_kv_head;
      for (std::int64_t i = 0; i < block.q.tokens(); ++i) {
        RunningRow row(state, b, h, i);
        for (std::int64_t j = 0; j < block.k.tokens(); ++j) {
          if (is_visible(block.mask, b, i, j)) {
            row.fold(scaled_score(scale, dot(HeadVector(q, b, i, h), HeadVector(k, b, j, kv_head))),
                     HeadVector(v, b, j, kv_head));
          }
        }
        row.store(state, b, h, i);
        if (!may_continue(progress)) {
          return false;
        }
      }
    }
  }
  return true;
}

/// The backward pass of one block, for the types of q, of k and v, and of dout.
template <class Query, class Key, class Gradient>
class BlockBackward {
 public:
  BlockBackward(const BackwardBlock& block, double scale)
      : q_(block.q.as<Query>()),
        k_(block.k.as<Key>()),
        v_(block.v.as<Key>()),
        dout_(block.dout.as<Gradient>()),
        maximum_(block.maximum),
        sum_(block.sum),
        delta_(block.delta),
        mask_(block.mask),
        scale_(scale),
        heads_per_kv_head_(block.q.heads() / block.k.heads()) {}

  /// dq_i += sum_j ds_ij k_j
  bool add_query_gradients(const TensorView<float, 4>& dq, const Progress& progress) const {
    for (std::int64_t b = 0; b < q_.shape[0]; ++b) {
      for (std::int64_t h = 0; h < q_.shape[2]; ++h) {
        const std::int64_t kv_head = h / heads_per_kv_head_;
        for (std::int64_t i = 0; i < q_.shape[1]; ++i) {
          HeadSum sum(static_cast<std::size_t>(dq.shape[3]));
          for (std::int64_t j = 0; j < k_.shape[1]; ++j) {
            if (const Score score = score_of(b, h, i, j); score.is_visible) {
              add_scaled(sum, score.gradient, HeadVector(k_, b, j, kv_head));
            }
          }
          add_rounded(dq, b, i, h, sum);
          if (!may_continue(progress)) {
            return false;
          }
        }
      }
    }
    return true;
  }

  /// dk_j += sum_i ds_ij q_i and dv_j += sum_i p_ij dout_i, i over the queries of every head that reads this key.
  bool add_key_gradients(const TensorView<float, 4>& dk, const TensorView<float, 4>& dv,
                         const Progress& progress) const {
    for (std::int64_t b = 0; b < k_.shape[0]; ++b) {
      for (std::int64_t kv_head = 0; kv_head < k_.shape[2]; ++kv_head) {
        for (std::int64_t j = 0; j < k_.shape[1]; ++j) {
          HeadSum key_sum(static_cast<std::size_t>(dk.shape[3]));
          HeadSum value_sum(key_sum.size());
          for (std::int64_t h = kv_head * heads_per_kv_head_; h < (kv_head + 1) * heads_per_kv_head_; ++h) {
            for (std::int64_t i = 0; i < q_.shape[1]; ++i) {
              if (const Score score = score_of(b, h, i, j); score.is_visible) {
                add_scaled(key_sum, score.gradient, HeadVector(q_, b, i, h));
                add_scaled(value_sum, score.weight, HeadVector(dout_, b, i, h));
              }
            }
          }
          add_rounded(dk, b, j, kv_head, key_sum);
          add_rounded(dv, b, j, kv_head, value_sum);
          if (!may_continue(progress)) {
            return false;
          }
        }
      }
    }
    return true;
  }

 private:
  struct Score {
    bool is_visible = false;
    double weight = 0.0;    ///< p_ij, the softmax over all keys of the sequence
    double gradient = 0.0;  ///< ds_ij = scale * p_ij * (dout_i . v_j - delta_i), by the unscaled score
  };

  [[nodiscard]] Score score_of(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) const {
    const auto sum = static_cast<double>(sum_(b, h, i));
    if (sum == 0.0 || !is_visible(mask_, b, i, j)) {
      return {};
    }
    const std::int64_t kv_head = h / heads_per_kv_head_;
    const double scaled = scaled_score(scale_, dot(HeadVector(q_, b, i, h), HeadVector(k_, b, j, kv_head)));
    const double difference = scaled - static_cast<double>(maximum_(b, h, i));
    const bool is_refused = difference > static_cast<double>(largest_score_excess);
    const double weight = is_refused ? std::numeric_limits<double>::quiet_NaN() : std::exp(difference) / sum;
    const double by_weight = dot(HeadVector(dout_, b, i, h), HeadVector(v_, b, j, kv_head));
    return {.is_visible = true,
            .weight = weight,
            .gradient = scale_ * weight * (by_weight - static_cast<double>(delta_(b, h, i)))};
  }

  TensorView<const Query, 4> q_;
  TensorView<const Key, 4> k_;
  TensorView<const Key, 4> v_;
  TensorView<const Gradient, 4> dout_;
  TensorView<const float, 3> maximum_;
  TensorView<const float, 3> sum_;
  TensorView<const float, 3> delta_;
  const BlockMask& mask_;
  double scale_;
  std::int64_t heads_per_kv_head_;
};

/// e^(maximum - largest), which makes sums relative to `maximum` relative to `largest`; 0 where no key was seen,
/// whatever the largest is: -inf - (-inf) is no number.
double factor_of(float maximum, float largest) {
  return maximum == minus_infinity ? 0.0 : std::exp(static_cast<double>(maximum) - static_cast<double>(largest));
}

/// One row of `from` folded into the same row of `into`.
void merge_row(const AttentionState& from, const AttentionState& into, std::int64_t b, std::int64_t h, std::int64_t i) {
  const float added = from.maximum(b, h, i);
  const float present = into.maximum(b, h, i);
  const float largest = std::max(present, added);
  const double factor = factor_of(present, largest);
  const double added_factor = factor_of(added, largest);
  into.maximum(b, h, i) = largest;
  // Also where nothing was seen: a sum that is no number must show.
  into.sum(b, h, i) = static_cast<float>(factor * static_cast<double>(into.sum(b, h, i)) +
                                         added_factor * static_cast<double>(from.sum(b, h, i)));
  if (added == minus_infinity) {
    return;
  }
  for (std::int64_t d = 0; d < into.output.shape[3]; ++d) {
    const double kept = present == minus_infinity ? 0.0 : factor * static_cast<double>(into.output(b, h, i, d));
    into.output(b, h, i, d) = static_cast<float>(kept + added_factor * static_cast<double>(from.output(b, h, i, d)));
  }
}

/// One row made relative to `maximum`.
void rescale_row(float maximum, const AttentionState& state, std::int64_t b, std::int64_t h, std::int64_t i) {
  const float own = state.maximum(b, h, i);
  const double factor = factor_of(own, maximum);
  state.maximum(b, h, i) = maximum;
  state.sum(b, h, i) = static_cast<float>(factor * static_cast<double>(state.sum(b, h, i)));
  for (std::int64_t d = 0; d < state.output.shape[3]; ++d) {
    const double output = own == minus_infinity ? 0.0 : factor * static_cast<double>(state.output(b, h, i, d));
    state.output(b, h, i, d) = static_cast<float>(output);
  }
}

/// Calls `function(b, h, i)` for every row of a (B, H, Tq) shape.
template <class Function>
void for_each_row(const std::array<std::int64_t, 3>& shape, Function&& function) {
  for (std::int64_t b = 0; b < shape[0]; ++b) {
    for (std::int64_t h = 0; h < shape[1]; ++h) {
      for (std::int64_t i = 0; i < shape[2]; ++i) {
        function(b, h, i);
      }
    }
  }
}

template <class Element>
void divide_by_sum(const AttentionState& state, const TensorView<Element, 4>& out) {
  const auto [batch, tokens, heads, head_size] = out.shape;
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t h = 0; h < heads; ++h) {
      for (std::int64_t i = 0; i < tokens; ++i) {
        const auto sum = static_cast<double>(state.sum(b, h, i));
        const bool has_seen_a_key = sum != 0.0;  // true of a sum that is no number, which the result must show
        for (std::int64_t d = 0; d < head_size; ++d) {
          const double mean = has_seen_a_key ? static_cast<double>(state.output(b, h, i, d)) / sum : 0.0;
          out(b, i, h, d) = static_cast<Element>(static_cast<float>(mean));
        }
      }
    }
  }
}

class ReferenceBlockAttention final : public BlockAttention {
 public:
  explicit ReferenceBlockAttention(const BlockAttentionOptions& options)
      : BlockAttention(options.head_size), scale_(static_cast<double>(options.scale)) {}

  [[nodiscard]] std::int64_t workspace_bytes() const override { return 0; }

 private:
  void run_reset(const AttentionState& state) override {
    for_each_row(state.maximum.shape, [&](std::int64_t b, std::int64_t h, std::int64_t i) {
      state.maximum(b, h, i) = minus_infinity;
      state.sum(b, h, i) = 0.0F;
    });
  }

  bool run_accumulate(const ForwardBlock& block, const AttentionState& state, const ActivationView& out,
                      const Progress& progress) override {
    const bool has_ended = with_type(block.q.dtype, [&](auto query) {
      return with_type(block.k.dtype, [&](auto key) {
        return fold_keys<decltype(query), decltype(key)>(block, scale_, state, progress);
      });
    });
    if (has_ended && !out.is_null()) {
      run_finalize(state, out);
    }
    return has_ended;
  }

  void run_merge(const AttentionState& from, const AttentionState& into) override {
    for_each_row(into.maximum.shape,
                 [&](std::int64_t b, std::int64_t h, std::int64_t i) { merge_row(from, into, b, h, i); });
  }

  void run_rescale(const TensorView<const float, 3>& maximum, const AttentionState& state) override {
    for_each_row(state.maximum.shape, [&](std::int64_t b, std::int64_t h, std::int64_t i) {
      rescale_row(maximum(b, h, i), state, b, h, i);
    });
  }

  void run_finalize(const AttentionState& state, const ActivationView& out) override {
    with_type(out.dtype, [&](auto element) { divide_by_sum(state, out.as<decltype(element)>()); });
  }

  void run_output_dot_gradient(const ConstActivationView& out, const ConstActivationView& dout,
                               const TensorView<float, 3>& delta) override {
    with_type(out.dtype, [&](auto output) {
      with_type(dout.dtype, [&](auto gradient) {
        const auto outputs = out.as<decltype(output)>();
        const auto gradients = dout.as<decltype(gradient)>();
        for (std::int64_t b = 0; b < out.batch(); ++b) {
          for (std::int64_t h = 0; h < out.heads(); ++h) {
            for (std::int64_t i = 0; i < out.tokens(); ++i) {
              delta(b, h, i) = static_cast<float>(dot(HeadVector(outputs, b, i, h), HeadVector(gradients, b, i, h)));
            }
          }
        }
      });
    });
  }

  bool run_backward(const BackwardBlock& block, const BlockGradients& gradients, const Progress& progress) override {
    clear_overwritten_keys(gradients);
    return with_type(block.q.dtype, [&](auto query) {
      return with_type(block.k.dtype, [&](auto key) {
        return with_type(block.dout.dtype, [&](auto gradient) {
          const BlockBackward<decltype(query), decltype(key), decltype(gradient)> pass(block, scale_);
          return pass.add_query_gradients(gradients.dq, progress) &&
                 pass.add_key_gradients(gradients.dk, gradients.dv, progress);
        });
      });
    });
  }

  double scale_;
};

}  // namespace

std::unique_ptr<BlockAttention> make_reference_block_attention(const BlockAttentionOptions& options) {
  return std::make_unique<ReferenceBlockAttention>(options);
}

}  // namespace ringworld
