#include "experiments/attention/sampled_check.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "core/random.hpp"

namespace ringworld {
namespace {

constexpr std::uint64_t sample_stream = 1000;  // apart from the streams of the inputs

/// The worst and the mean of one tensor's errors, merged over ranks.
struct ErrorSums {
  double largest = 0;
  double squares = 0;
  double count = 0;
  bool has_nan = false;

  void add(double value, double exact, double scale) {
    const double difference = std::abs(value - exact);
    // A scale of 0 says that all terms are: so must be the value.
    const double error = difference == 0 ? 0 : difference / scale;
    has_nan = has_nan || !std::isfinite(error);
    largest = std::max(largest, error);
    squares += error * error;
    count += 1;
  }

  [[nodiscard]] SampledError merge(const Communicator& communicator) const {
    std::array<double, 2> worst{largest, has_nan ? 1.0 : 0.0};
    std::array<double, 2> sums{squares, count};
    communicator.all_reduce(worst, Reduction::max);
    communicator.all_reduce(sums, Reduction::sum);
    if (worst[1] > 0) {
      return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
    }
    return {worst[0], std::sqrt(sums[0] / sums[1])};
  }
};

/// An exact row as this rank's share of it, until `merge` adds the other ranks'.
class ExactRow {
 public:
  explicit ExactRow(std::int64_t size) : values_(static_cast<std::size_t>(size)) {}

  /// Adds factor * direction. `magnitude` is the factor without its cancellation, which sets the scale of rounding.
  void add(double factor, double magnitude, const std::vector<double>& direction) {
    for (std::size_t d = 0; d < values_.size(); ++d) {
      values_[d] += factor * direction[d];
      largest_term_ = std::max(largest_term_, magnitude * std::abs(direction[d]));
    }
  }

  void merge(const Communicator& communicator) {
    communicator.all_reduce(values_, Reduction::sum);
    largest_term_ = communicator.all_reduce(largest_term_, Reduction::max);
  }

  void divide(double divisor) {
    for (double& value : values_) {
      value /= divisor;
    }
    largest_term_ /= divisor;
  }

  [[nodiscard]] const std::vector<double>& values() const { return values_; }

  /// What errors of the row are relative to: its largest value, or its largest term where that is larger.
  [[nodiscard]] double scale() const {
    double largest = largest_term_;
    for (const double value : values_) {
      largest = std::max(largest, std::abs(value));
    }
    return largest;
  }

 private:
  std::vector<double> values_;
  double largest_term_ = 0;
};

/// A token of a sequence, and where this rank holds it (-1: elsewhere).
struct SampledToken {
  std::int64_t sequence = 0;
  std::int64_t token = 0;
  std::int64_t token_local = -1;
};

class Checker {
 public:
  explicit Checker(const PointData& data)
      : data_(data),
        tensors_(data),
        problem_(data.options().problem),
        partition_(data.options().layout, problem_.context_length, data.ring().size()),
        scale_(1.0 / std::sqrt(static_cast<double>(problem_.head_size))),
        group_(problem_.heads / problem_.kv_heads) {
    for (const Segment& run : partition_.segments(data.ring().rank())) {
      for (std::int64_t i = 0; i < run.count; ++i) {
        positions_.push_back(run.token + i * run.stride);
      }
    }
  }

  SampledError run(std::int64_t samples) {
    scan();
    for (std::int64_t b = 0; b < problem_.batch; ++b) {
      for (std::int64_t i = 0; i < samples; ++i) {
        const SampledToken sample = choose(b, i, samples);
        check_query(sample);
        if (data_.has_backward()) {
          check_key(sample);
        }
      }
    }
    SampledError worst;
    const auto merge = [&](const ErrorSums& sums) {
      const SampledError error = sums.merge(communicator());
      // Written so that NaN wins.
      worst.largest = error.largest <= worst.largest ? worst.largest : error.largest;
      worst.rms = error.rms <= worst.rms ? worst.rms : error.rms;
    };
    merge(out_);
    merge(lse_);
    if (data_.has_backward()) {
      merge(delta_);
      merge(dq_);
      merge(dk_);
      merge(dv_);
    }
    return worst;
  }

 private:
  [[nodiscard]] const Communicator& communicator() const { return data_.ring().communicator(); }

  /// Looks at every number of the result, as NaN may stand where no sample is.
  void scan() {
    const auto look = [](ErrorSums& sums, const ConstActivationView& result) {
      with_type(result.dtype, [&](auto type) {
        const auto* values = static_cast<const decltype(type)*>(result.data);
        sums.has_nan = !std::all_of(values, values + result.size(),
                                    [](auto value) { return std::isfinite(static_cast<float>(value)); });
      });
    };
    look(out_, tensors_.forward().out);
    if (data_.has_backward()) {
      look(dq_, tensors_.backward().dq);
      look(dk_, tensors_.backward().dk);
      look(dv_, tensors_.backward().dv);
    }
  }

  [[nodiscard]] std::int64_t choose_position(std::int64_t sequence, std::int64_t index, std::int64_t samples) const {
    const std::int64_t last = problem_.context_length - 1;
    if (index < 2) {
      return std::min(index, last);
    }
    if (index == samples - 1) {
      return last;
    }
    const CounterRng rng(static_cast<std::uint64_t>(sequence), sample_stream);
    const auto words = rng.words(static_cast<std::uint64_t>(index));
    const auto unit = static_cast<double>(CounterRng::to_unit(words[0]));
    const double length = static_cast<double>(last) + 1;
    const bool is_early = index % 2 == 0;
    return std::min(last, static_cast<std::int64_t>(is_early ? std::pow(length, unit) : length * unit));
  }

  [[nodiscard]] SampledToken choose(std::int64_t sequence, std::int64_t index, std::int64_t samples) const {
    SampledToken sample{.sequence = sequence, .token = choose_position(sequence, index, samples), .token_local = -1};
    const auto found = std::ranges::find(positions_, sample.token);
    if (found != positions_.end()) {
      sample.token_local = found - positions_.begin();
    }
    return sample;
  }

  [[nodiscard]] std::vector<float> draw(InputTensor tensor, const SampledToken& sample, std::int64_t heads) const {
    std::vector<float> values(static_cast<std::size_t>(heads * problem_.head_size));
    data_.inputs().draw_token(tensor, sample.sequence, sample.token, problem_.dtype, values);
    return values;
  }

  [[nodiscard]] bool sees(std::int64_t query_token, std::int64_t key_token) const {
    return !data_.options().is_causal || key_token <= query_token;
  }

  /// One row of a local tensor as fp64.
  [[nodiscard]] std::vector<double> row(const ConstActivationView& view, std::int64_t b, std::int64_t t,
                                        std::int64_t h) const {
    std::vector<double> values(static_cast<std::size_t>(problem_.head_size));
    read_row(view, b, t, h, values);
    return values;
  }

  void read_row(const ConstActivationView& view, std::int64_t b, std::int64_t t, std::int64_t h,
                std::vector<double>& values) const {
    with_type(view.dtype, [&](auto type) {
      const auto* from = &view.as<decltype(type)>()(b, t, h, 0);
      for (std::size_t d = 0; d < values.size(); ++d) {
        values[d] = static_cast<double>(static_cast<float>(from[d]));
      }
    });
  }

  template <class Left, class Right>
  [[nodiscard]] double dot(const Left* left, const Right* right) const {
    double sum = 0;
    for (std::int64_t d = 0; d < problem_.head_size; ++d) {
      sum += static_cast<double>(left[d]) * static_cast<double>(right[d]);
    }
    return sum;
  }

  /// The sum of the absolute products: what the rounding of a dot product is relative to.
  template <class Left, class Right>
  [[nodiscard]] double absolute_dot(const Left* left, const Right* right) const {
    double sum = 0;
    for (std::int64_t d = 0; d < problem_.head_size; ++d) {
      sum += std::abs(static_cast<double>(left[d]) * static_cast<double>(right[d]));
    }
    return sum;
  }

  void check_query(const SampledToken& sample) {
    const std::int64_t size = problem_.head_size;
    const std::vector<float> q = draw(InputTensor::q, sample, problem_.heads);
    const std::vector<float> dout =
        data_.has_backward() ? draw(InputTensor::dout, sample, problem_.heads) : std::vector<float>();
    std::vector<double> scores(positions_.size());
    std::vector<double> k(static_cast<std::size_t>(size));
    std::vector<double> v(static_cast<std::size_t>(size));
    for (std::int64_t h = 0; h < problem_.heads; ++h) {
      const float* query = q.data() + h * size;
      double maximum = -std::numeric_limits<double>::infinity();
      for (std::size_t j = 0; j < positions_.size(); ++j) {
        if (!sees(sample.token, positions_[j])) {
          continue;
        }
        read_row(tensors_.forward().k, sample.sequence, static_cast<std::int64_t>(j), h / group_, k);
        scores[j] = scale_ * dot(query, k.data());
        maximum = std::max(maximum, scores[j]);
      }
      maximum = communicator().all_reduce(maximum, Reduction::max);

      ExactRow out(size);
      double total = 0;
      for_each_seen_key(sample, [&](std::size_t j) {
        const double weight = std::exp(scores[j] - maximum);
        read_row(tensors_.forward().v, sample.sequence, static_cast<std::int64_t>(j), h / group_, v);
        out.add(weight, weight, v);
        total += weight;
      });
      out.merge(communicator());
      total = communicator().all_reduce(total, Reduction::sum);
      out.divide(total);
      compare(out_, tensors_.forward().out, sample, h, out);
      const double lse = maximum + std::log(total);
      compare_number(lse_, tensors_.forward().lse, sample, h, lse, std::max(1.0, std::abs(lse)));
      if (data_.has_backward()) {
        check_query_gradient(sample, h, {.maximum = maximum, .total = total}, scores, out.values(),
                             dout.data() + h * size);
      }
    }
  }

  struct Softmax {
    double maximum;
    double total;
  };

  void check_query_gradient(const SampledToken& sample, std::int64_t h, const Softmax& softmax,
                            const std::vector<double>& scores, const std::vector<double>& out, const float* dout) {
    const double delta = dot(out.data(), dout);
    const double delta_scale = absolute_dot(out.data(), dout);
    compare_number(delta_, tensors_.backward().delta, sample, h, delta, delta_scale);
    std::vector<double> k(out.size());
    std::vector<double> v(out.size());
    ExactRow dq(problem_.head_size);
    for_each_seen_key(sample, [&](std::size_t j) {
      read_row(tensors_.forward().k, sample.sequence, static_cast<std::int64_t>(j), h / group_, k);
      read_row(tensors_.forward().v, sample.sequence, static_cast<std::int64_t>(j), h / group_, v);
      const double probability = std::exp(scores[j] - softmax.maximum) / softmax.total;
      const double weight = scale_ * probability;
      dq.add(weight * (dot(v.data(), dout) - delta), weight * (absolute_dot(v.data(), dout) + delta_scale), k);
    });
    dq.merge(communicator());
    compare(dq_, tensors_.backward().dq, sample, h, dq);
  }

  void check_key(const SampledToken& sample) {
    const std::int64_t size = problem_.head_size;
    const std::vector<float> k = draw(InputTensor::k, sample, problem_.kv_heads);
    const std::vector<float> v = draw(InputTensor::v, sample, problem_.kv_heads);
    std::vector<double> q(static_cast<std::size_t>(size));
    std::vector<double> dout(static_cast<std::size_t>(size));
    for (std::int64_t kv_head = 0; kv_head < problem_.kv_heads; ++kv_head) {
      ExactRow dk(size);
      ExactRow dv(size);
      for (std::int64_t h = kv_head * group_; h < (kv_head + 1) * group_; ++h) {
        for (std::size_t i = 0; i < positions_.size(); ++i) {
          if (!sees(positions_[i], sample.token)) {
            continue;
          }
          const auto local = static_cast<std::int64_t>(i);
          read_row(tensors_.forward().q, sample.sequence, local, h, q);
          read_row(tensors_.backward().dout, sample.sequence, local, h, dout);
          const double score = scale_ * dot(q.data(), k.data() + kv_head * size);
          const double probability =
              std::exp(score - static_cast<double>(tensors_.forward().lse(sample.sequence, h, local)));
          const double dprobability = dot(dout.data(), v.data() + kv_head * size);
          const double delta = static_cast<double>(tensors_.backward().delta(sample.sequence, h, local));
          const double weight = scale_ * probability;
          const double magnitude = absolute_dot(dout.data(), v.data() + kv_head * size) + std::abs(delta);
          dk.add(weight * (dprobability - delta), weight * magnitude, q);
          dv.add(probability, probability, dout);
        }
      }
      dk.merge(communicator());
      dv.merge(communicator());
      compare(dk_, tensors_.backward().dk, sample, kv_head, dk);
      compare(dv_, tensors_.backward().dv, sample, kv_head, dv);
    }
  }

  template <class Function>
  void for_each_seen_key(const SampledToken& sample, Function&& function) const {
    for (std::size_t j = 0; j < positions_.size(); ++j) {
      if (sees(sample.token, positions_[j])) {
        function(j);
      }
    }
  }

  void compare(ErrorSums& sums, const ConstActivationView& result, const SampledToken& sample, std::int64_t head,
               const ExactRow& exact) const {
    if (sample.token_local < 0) {
      return;
    }
    const std::vector<double> values = row(result, sample.sequence, sample.token_local, head);
    const double scale = exact.scale();
    for (std::size_t d = 0; d < values.size(); ++d) {
      sums.add(values[d], exact.values()[d], scale);
    }
  }

  static void compare_number(ErrorSums& sums, const TensorView<float, 3>& result, const SampledToken& sample,
                             std::int64_t head, double exact, double scale) {
    if (sample.token_local >= 0) {
      sums.add(static_cast<double>(result(sample.sequence, head, sample.token_local)), exact, scale);
    }
  }

  const PointData& data_;
  HostTensors tensors_;
  const AttentionProblem& problem_;
  Partition partition_;
  double scale_;
  std::int64_t group_;
  std::vector<std::int64_t> positions_;  // of this rank's tokens in the sequence
  ErrorSums out_, lse_, delta_, dq_, dk_, dv_;
};

}  // namespace

SampledError check_samples(const PointData& data, std::int64_t samples) { return Checker(data).run(samples); }

double error_tolerance(const AttentionProblem& problem) {
  const bool is_fp32 = problem.dtype == DType::float32 && problem.wire_dtype == DType::float32;
  return is_fp32 ? 2e-5 : 1e-2;
}

}  // namespace ringworld
