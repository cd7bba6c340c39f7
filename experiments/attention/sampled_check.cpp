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

/// Sums over which the errors of one tensor are made, merged over ranks.
struct ErrorSums {
  double largest_error = 0;
  double largest_exact = 0;
  double squared_error = 0;
  double squared_exact = 0;
  bool has_nan = false;

  void add(double value, double exact) {
    const double difference = std::abs(value - exact);
    has_nan = has_nan || !std::isfinite(difference);
    largest_error = std::max(largest_error, difference);
    largest_exact = std::max(largest_exact, std::abs(exact));
    squared_error += difference * difference;
    squared_exact += exact * exact;
  }

  [[nodiscard]] SampledError merge(const Communicator& communicator) const {
    std::array<double, 3> largest{largest_error, largest_exact, has_nan ? 1.0 : 0.0};
    std::array<double, 2> squares{squared_error, squared_exact};
    communicator.all_reduce(largest, Reduction::max);
    communicator.all_reduce(squares, Reduction::sum);
    if (largest[2] > 0) {
      return {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::quiet_NaN()};
    }
    return {largest[0] / largest[1], std::sqrt(squares[0] / squares[1])};
  }
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
    if (data_.has_backward()) {
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
    look(out_, data_.forward().out);
    if (data_.has_backward()) {
      look(dq_, data_.backward().dq);
      look(dk_, data_.backward().dk);
      look(dv_, data_.backward().dv);
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
        read_row(data_.forward().k, sample.sequence, static_cast<std::int64_t>(j), h / group_, k);
        scores[j] = scale_ * dot(query, k.data());
        maximum = std::max(maximum, scores[j]);
      }
      maximum = communicator().all_reduce(maximum, Reduction::max);

      std::vector<double> sums(static_cast<std::size_t>(size + 1));  // weighted values, then the weights
      for_each_seen_key(sample, [&](std::size_t j) {
        const double weight = std::exp(scores[j] - maximum);
        read_row(data_.forward().v, sample.sequence, static_cast<std::int64_t>(j), h / group_, v);
        for (std::size_t d = 0; d < v.size(); ++d) {
          sums[d] += weight * v[d];
        }
        sums.back() += weight;
      });
      communicator().all_reduce(sums, Reduction::sum);
      const double total = sums.back();
      sums.pop_back();
      for (double& value : sums) {
        value /= total;
      }
      compare(out_, data_.forward().out, sample, h, sums);
      if (data_.has_backward()) {
        check_query_gradient(sample, h, {.maximum = maximum, .total = total}, scores, sums, dout.data() + h * size);
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
    std::vector<double> k(out.size());
    std::vector<double> v(out.size());
    std::vector<double> sums(out.size());
    for_each_seen_key(sample, [&](std::size_t j) {
      read_row(data_.forward().k, sample.sequence, static_cast<std::int64_t>(j), h / group_, k);
      read_row(data_.forward().v, sample.sequence, static_cast<std::int64_t>(j), h / group_, v);
      const double probability = std::exp(scores[j] - softmax.maximum) / softmax.total;
      const double gradient = scale_ * probability * (dot(v.data(), dout) - delta);
      for (std::size_t d = 0; d < sums.size(); ++d) {
        sums[d] += gradient * k[d];
      }
    });
    communicator().all_reduce(sums, Reduction::sum);
    compare(dq_, data_.backward().dq, sample, h, sums);
  }

  void check_key(const SampledToken& sample) {
    const std::int64_t size = problem_.head_size;
    const std::vector<float> k = draw(InputTensor::k, sample, problem_.kv_heads);
    const std::vector<float> v = draw(InputTensor::v, sample, problem_.kv_heads);
    std::vector<double> q(static_cast<std::size_t>(size));
    std::vector<double> dout(static_cast<std::size_t>(size));
    const auto elements = static_cast<std::size_t>(size);
    for (std::int64_t kv_head = 0; kv_head < problem_.kv_heads; ++kv_head) {
      std::vector<double> sums(2 * elements);  // dk, then dv
      for (std::int64_t h = kv_head * group_; h < (kv_head + 1) * group_; ++h) {
        for (std::size_t i = 0; i < positions_.size(); ++i) {
          if (!sees(positions_[i], sample.token)) {
            continue;
          }
          const auto local = static_cast<std::int64_t>(i);
          read_row(data_.forward().q, sample.sequence, local, h, q);
          read_row(data_.backward().dout, sample.sequence, local, h, dout);
          const double score = scale_ * dot(q.data(), k.data() + kv_head * size);
          const double probability =
              std::exp(score - static_cast<double>(data_.forward().lse(sample.sequence, h, local)));
          const double dprobability = dot(dout.data(), v.data() + kv_head * size);
          const double delta = static_cast<double>(data_.backward().delta(sample.sequence, h, local));
          const double gradient = scale_ * probability * (dprobability - delta);
          for (std::size_t d = 0; d < elements; ++d) {
            sums[d] += gradient * q[d];
            sums[elements + d] += probability * dout[d];
          }
        }
      }
      communicator().all_reduce(sums, Reduction::sum);
      const auto middle = sums.begin() + size;
      compare(dk_, data_.backward().dk, sample, kv_head, {sums.begin(), middle});
      compare(dv_, data_.backward().dv, sample, kv_head, {middle, sums.end()});
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
               const std::vector<double>& exact) const {
    if (sample.token_local < 0) {
      return;
    }
    const std::vector<double> values = row(result, sample.sequence, sample.token_local, head);
    for (std::size_t d = 0; d < exact.size(); ++d) {
      sums.add(values[d], exact[d]);
    }
  }

  const PointData& data_;
  const AttentionProblem& problem_;
  Partition partition_;
  double scale_;
  std::int64_t group_;
  std::vector<std::int64_t> positions_;  // of this rank's tokens in the sequence
  ErrorSums out_, dq_, dk_, dv_;
};

}  // namespace

SampledError check_samples(const PointData& data, std::int64_t samples) { return Checker(data).run(samples); }

double error_tolerance(const AttentionProblem& problem) {
  const bool is_fp32 = problem.dtype == DType::float32 && problem.wire_dtype == DType::float32;
  return is_fp32 ? 2e-5 : 3e-2;
}

}  // namespace ringworld
