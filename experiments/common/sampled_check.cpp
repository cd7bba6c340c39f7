#include "experiments/common/sampled_check.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "core/random.hpp"

namespace ringworld {
namespace {

constexpr std::uint64_t sample_stream = 1000;  // apart from the streams of the inputs
constexpr std::int64_t samples_a_run = 2;

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
      constexpr double nan = std::numeric_limits<double>::quiet_NaN();
      return {.largest = nan, .rms = nan};
    }
    return {.largest = worst[0], .rms = std::sqrt(sums[0] / sums[1])};
  }
};

/// Rows of one head, a sample each, of which this rank holds its share until `merge` adds the other ranks'.
class SampledRows {
 public:
  SampledRows(std::size_t samples, std::int64_t size)
      : size_(size), values_(samples * static_cast<std::size_t>(size)), largest_terms_(samples) {}

  [[nodiscard]] double* row(std::size_t sample) { return values_.data() + sample * static_cast<std::size_t>(size_); }
  [[nodiscard]] const double* row(std::size_t sample) const {
    return values_.data() + sample * static_cast<std::size_t>(size_);
  }

  /// Adds factor * direction. `magnitude` is the factor without its cancellation, which sets the scale of rounding.
  void add(std::size_t sample, double factor, double magnitude, const double* direction) {
    double* values = row(sample);
    double largest = 0;
    for (std::int64_t d = 0; d < size_; ++d) {
      values[d] += factor * direction[d];
      largest = std::max(largest, std::abs(direction[d]));
    }
    largest_terms_[sample] = std::max(largest_terms_[sample], magnitude * largest);
  }

  void multiply(std::size_t sample, double factor) {
    double* values = row(sample);
    for (std::int64_t d = 0; d < size_; ++d) {
      values[d] *= factor;
    }
    largest_terms_[sample] *= factor;
  }

  void merge(const Communicator& communicator) {
    communicator.all_reduce(values_, Reduction::sum);
    communicator.all_reduce(largest_terms_, Reduction::max);
  }

  /// The scale of a row's relative errors: its largest value, or its largest term if that is larger.
  [[nodiscard]] double scale(std::size_t sample) const {
    double largest = largest_terms_[sample];
    for (std::int64_t d = 0; d < size_; ++d) {
      largest = std::max(largest, std::abs(row(sample)[d]));
    }
    return largest;
  }

 private:
  std::int64_t size_;
  std::vector<double> values_;
  std::vector<double> largest_terms_;
};

/// A dot product, and the sum of its absolute terms: what its rounding is relative to.
struct Product {
  double value = 0;
  double magnitude = 0;
};

/// Sums in several lanes, so that the loop fills the vector registers.
template <bool HasMagnitude>
Product multiply(const double* left, const double* right, std::int64_t size) {
  constexpr std::int64_t lanes = 8;
  std::array<double, lanes> values{};
  std::array<double, lanes> magnitudes{};
  Product product;
  std::int64_t d = 0;
  for (; d + lanes <= size; d += lanes) {
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      const double term = left[d + lane] * right[d + lane];
      values[static_cast<std::size_t>(lane)] += term;
      if constexpr (HasMagnitude) {
        magnitudes[static_cast<std::size_t>(lane)] += std::abs(term);
      }
    }
  }
  for (; d < size; ++d) {
    values[0] += left[d] * right[d];
    magnitudes[0] += std::abs(left[d] * right[d]);
  }
  for (std::size_t lane = 0; lane < values.size(); ++lane) {
    product.value += values[lane];
    product.magnitude += magnitudes[lane];
  }
  return product;
}

double dot(const double* left, const double* right, std::int64_t size) {
  return multiply<false>(left, right, size).value;
}

/// A sampled token of the sequence at hand, and where this rank holds it (-1: elsewhere).
struct Sample {
  std::int64_t token = 0;
  std::int64_t local = -1;
};

class Checker {
 public:
  explicit Checker(const PointData& data)
      : data_(data),
        tensors_(data),
        problem_(data.options().problem),
        partition_(data.options().layout, problem_.context_length, data.ranks().size(),
                   data.options().schedule.ulysses),
        size_(problem_.head_size),
        scale_(1.0 / std::sqrt(static_cast<double>(problem_.head_size))),
        group_(problem_.heads / problem_.kv_heads),
        positions_(partition_.positions(data.ranks().rank())) {}

  SampledError run(std::uint64_t seed) {
    scan();
    for (std::int64_t b = 0; b < problem_.batch; ++b) {
      choose(b, seed);
      for (std::int64_t h = 0; h < problem_.heads; ++h) {
        check_queries(b, h);
      }
      for (std::int64_t kv_head = 0; data_.has_backward() && kv_head < problem_.kv_heads; ++kv_head) {
        check_keys(b, kv_head);
      }
    }
    SampledError worst;
    const auto merge = [&](const ErrorSums& sums) {
      const SampledError error = sums.merge(communicator());
      // Written so that NaN wins.
      worst.largest = error.largest <= worst.largest ? worst.largest : error.largest;
      worst.rms = error.rms <= worst.rms ? worst.rms : error.rms;
      return error.largest;
    };
    merge(out_);
    worst.lse = merge(lse_);
    if (data_.has_backward()) {
      merge(delta_);
      merge(dq_);
      merge(dk_);
      merge(dv_);
    }
    return worst;
  }

 private:
  [[nodiscard]] const Communicator& communicator() const { return data_.ranks(); }

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

  void choose(std::int64_t sequence, std::uint64_t seed) {
    samples_.clear();
    for (const std::int64_t token : sampled_tokens(partition_, sequence, seed)) {
      const auto found = std::ranges::find(positions_, token);
      samples_.push_back({.token = token, .local = found != positions_.end() ? found - positions_.begin() : -1});
    }
  }

  [[nodiscard]] bool sees(std::int64_t query_token, std::int64_t key_token) const {
    return !data_.options().is_causal || key_token <= query_token;
  }

  /// One row of a local tensor as fp64.
  void read_row(const ConstActivationView& view, std::int64_t b, std::int64_t t, std::int64_t h, double* values) const {
    with_type(view.dtype, [&](auto type) {
      const auto* from = &view.as<decltype(type)>()(b, t, h, 0);
      for (std::int64_t d = 0; d < size_; ++d) {
        values[d] = static_cast<double>(static_cast<float>(from[d]));
      }
    });
  }

  /// The sampled tokens' rows of an operand, from the ranks that hold them.
  [[nodiscard]] SampledRows gather(const ConstActivationView& view, std::int64_t b, std::int64_t h) const {
    SampledRows rows(samples_.size(), size_);
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      if (samples_[s].local >= 0) {
        read_row(view, b, samples_[s].local, h, rows.row(s));
      }
    }
    rows.merge(communicator());
    return rows;
  }

  void check_queries(std::int64_t b, std::int64_t h) {
    const SampledRows q = gather(tensors_.forward().q, b, h);
    SampledRows out(samples_.size(), size_);
    std::vector<double> maxima(samples_.size(), -std::numeric_limits<double>::infinity());
    std::vector<double> totals(samples_.size());
    std::vector<double> k(static_cast<std::size_t>(size_));
    std::vector<double> v(static_cast<std::size_t>(size_));
    for (std::size_t j = 0; j < positions_.size(); ++j) {
      read_row(tensors_.forward().k, b, static_cast<std::int64_t>(j), h / group_, k.data());
      read_row(tensors_.forward().v, b, static_cast<std::int64_t>(j), h / group_, v.data());
      for (std::size_t s = 0; s < samples_.size(); ++s) {
        if (!sees(samples_[s].token, positions_[j])) {
          continue;
        }
        const double score = scale_ * dot(q.row(s), k.data(), size_);
        if (score > maxima[s]) {
          const double factor = std::exp(maxima[s] - score);
          out.multiply(s, factor);
          totals[s] *= factor;
          maxima[s] = score;
        }
        const double weight = std::exp(score - maxima[s]);
        out.add(s, weight, weight, v.data());
        totals[s] += weight;
      }
    }
    std::vector<double> maxima_here = maxima;
    communicator().all_reduce(maxima, Reduction::max);
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      const double factor = std::exp(maxima_here[s] - maxima[s]);  // 0 where this rank has no key for the query
      out.multiply(s, factor);
      totals[s] *= factor;
    }
    out.merge(communicator());
    communicator().all_reduce(totals, Reduction::sum);
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      out.multiply(s, 1 / totals[s]);
      compare(out_, tensors_.forward().out, b, h, s, out);
      const double lse = maxima[s] + std::log(totals[s]);
      compare_number(lse_, row_log_sum_exp(b, h, samples_[s].local), s, lse, std::max(1.0, std::abs(lse)));
    }
    if (data_.has_backward()) {
      check_query_gradients(b, h, {.q = q, .out = out, .maxima = maxima, .totals = totals});
    }
  }

  struct Softmax {
    const SampledRows& q;
    const SampledRows& out;
    const std::vector<double>& maxima;
    const std::vector<double>& totals;
  };

  void check_query_gradients(std::int64_t b, std::int64_t h, const Softmax& softmax) {
    const SampledRows dout = gather(tensors_.backward().dout, b, h);
    std::vector<Product> deltas;
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      deltas.push_back(multiply<true>(softmax.out.row(s), dout.row(s), size_));
      compare_number(delta_, row_delta(b, h, samples_[s].local), s, deltas[s].value, deltas[s].magnitude);
    }
    SampledRows dq(samples_.size(), size_);
    std::vector<double> k(static_cast<std::size_t>(size_));
    std::vector<double> v(static_cast<std::size_t>(size_));
    for (std::size_t j = 0; j < positions_.size(); ++j) {
      read_row(tensors_.forward().k, b, static_cast<std::int64_t>(j), h / group_, k.data());
      read_row(tensors_.forward().v, b, static_cast<std::int64_t>(j), h / group_, v.data());
      for (std::size_t s = 0; s < samples_.size(); ++s) {
        if (!sees(samples_[s].token, positions_[j])) {
          continue;
        }
        const double score = scale_ * dot(softmax.q.row(s), k.data(), size_);
        const double weight = scale_ * std::exp(score - softmax.maxima[s]) / softmax.totals[s];
        const Product dprobability = multiply<true>(v.data(), dout.row(s), size_);
        dq.add(s, weight * (dprobability.value - deltas[s].value),
               weight * (dprobability.magnitude + deltas[s].magnitude), k.data());
      }
    }
    dq.merge(communicator());
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      compare(dq_, tensors_.backward().dq, b, h, s, dq);
    }
  }

  void check_keys(std::int64_t b, std::int64_t kv_head) {
    const SampledRows k = gather(tensors_.forward().k, b, kv_head);
    const SampledRows v = gather(tensors_.forward().v, b, kv_head);
    SampledRows dk(samples_.size(), size_);
    SampledRows dv(samples_.size(), size_);
    std::vector<double> q(static_cast<std::size_t>(size_));
    std::vector<double> dout(static_cast<std::size_t>(size_));
    for (std::int64_t h = kv_head * group_; h < (kv_head + 1) * group_; ++h) {
      for (std::size_t i = 0; i < positions_.size(); ++i) {
        const auto local = static_cast<std::int64_t>(i);
        read_row(tensors_.forward().q, b, local, h, q.data());
        read_row(tensors_.backward().dout, b, local, h, dout.data());
        const double lse = row_log_sum_exp(b, h, local);
        const double delta = row_delta(b, h, local);
        for (std::size_t s = 0; s < samples_.size(); ++s) {
          if (!sees(positions_[i], samples_[s].token)) {
            continue;
          }
          const double probability = std::exp(scale_ * dot(q.data(), k.row(s), size_) - lse);
          const Product dprobability = multiply<true>(dout.data(), v.row(s), size_);
          const double weight = scale_ * probability;
          dk.add(s, weight * (dprobability.value - delta), weight * (dprobability.magnitude + std::abs(delta)),
                 q.data());
          dv.add(s, probability, probability, dout.data());
        }
      }
    }
    dk.merge(communicator());
    dv.merge(communicator());
    for (std::size_t s = 0; s < samples_.size(); ++s) {
      compare(dk_, tensors_.backward().dk, b, kv_head, s, dk);
      compare(dv_, tensors_.backward().dv, b, kv_head, s, dv);
    }
  }

  void compare(ErrorSums& sums, const ConstActivationView& result, std::int64_t b, std::int64_t head,
               std::size_t sample, const SampledRows& exact) const {
    if (samples_[sample].local < 0) {
      return;
    }
    std::vector<double> values(static_cast<std::size_t>(size_));
    read_row(result, b, samples_[sample].local, head, values.data());
    const double scale = exact.scale(sample);
    for (std::size_t d = 0; d < values.size(); ++d) {
      sums.add(values[d], exact.row(sample)[d], scale);
    }
  }

  void compare_number(ErrorSums& sums, double result, std::size_t sample, double exact, double scale) const {
    if (samples_[sample].local >= 0) {
      sums.add(result, exact, scale);
    }
  }

  /// A number of a row of this rank; 0 where `local` is -1, a token of another rank.
  [[nodiscard]] double row_log_sum_exp(std::int64_t b, std::int64_t h, std::int64_t local) const {
    const SequenceForward& forward = tensors_.forward();
    return local < 0 ? 0.0 : log_sum_exp(forward.maximum(b, h, local), forward.sum(b, h, local));
  }
  [[nodiscard]] double row_delta(std::int64_t b, std::int64_t h, std::int64_t local) const {
    return local < 0 ? 0.0 : static_cast<double>(tensors_.backward().delta(b, h, local));
  }

  const PointData& data_;
  HostTensors tensors_;
  const AttentionProblem& problem_;
  Partition partition_;
  std::int64_t size_;
  double scale_;
  std::int64_t group_;
  std::vector<std::int64_t> positions_;  // of this rank's tokens in the sequence
  std::vector<Sample> samples_;          // of the sequence at hand, the same on every rank
  ErrorSums out_, lse_, delta_, dq_, dk_, dv_;
};

}  // namespace

std::vector<std::int64_t> sampled_tokens(const Partition& partition, std::int64_t sequence, std::uint64_t seed) {
  const std::int64_t last = partition.context_length() - 1;
  std::vector<std::int64_t> tokens{0, std::min<std::int64_t>(1, last), last};
  const CounterRng rng(seed, sample_stream + static_cast<std::uint64_t>(sequence));
  std::uint64_t draws = 0;
  for (std::int64_t rank = 0; rank < partition.ranks(); ++rank) {
    for (const TokenRun& run : partition.runs(rank)) {
      // One place in each half, so that the two differ.
      const std::int64_t parts = std::min(samples_a_run, run.count);
      for (std::int64_t part = 0; part < parts; ++part) {
        const std::int64_t begin = run.count * part / parts;
        const std::int64_t end = run.count * (part + 1) / parts;
        const auto place = static_cast<std::int64_t>(rng.integer(draws++, static_cast<std::uint64_t>(end - begin)));
        tokens.push_back(run.token + (begin + place) * run.stride);
      }
    }
  }
  std::ranges::sort(tokens);
  tokens.erase(std::ranges::unique(tokens).begin(), tokens.end());
  return tokens;
}

SampledError check_samples(const PointData& data, std::uint64_t seed) { return Checker(data).run(seed); }

SampledTolerance sampled_tolerance(const AttentionProblem& problem) {
  const bool is_fp32 = problem.dtype == DType::float32 && problem.wire_dtype == DType::float32;
  // Keys that are rounded on the wire move scores; else lse is a sum in fp32, whatever the type of the operands.
  const bool are_keys_rounded = problem.wire_dtype != problem.dtype && problem.wire_dtype == DType::bfloat16;
  return {.largest = is_fp32 ? 2e-5 : 1e-2, .lse = are_keys_rounded ? 1e-2 : 2e-6};
}

bool is_within(const SampledError& error, const SampledTolerance& tolerance) {
  return error.largest <= tolerance.largest && error.lse <= tolerance.lse;
}

}  // namespace ringworld
