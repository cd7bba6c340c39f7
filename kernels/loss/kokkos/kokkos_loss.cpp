#include "kernels/elementwise/kokkos/launch.hpp"
#include "kernels/elementwise/kokkos/math.hpp"
#include "kernels/loss/loss.hpp"

namespace ringworld {
namespace {

using kokkos::RowTeam;

/// Rows of logits, of which a team has one at a time.
struct Logits {
  float* data;
  std::int64_t row_stride;
  std::int64_t columns;

  KOKKOS_INLINE_FUNCTION float* row(std::int64_t token) const { return data + token * row_stride; }

  /// Every member of the team gets it. NaN is passed over: the sum of exponentials shows it.
  KOKKOS_INLINE_FUNCTION float maximum(const RowTeam& team, std::int64_t token) const {
    const float* logits = row(token);
    float largest = kokkos::minus_infinity;
    Kokkos::parallel_reduce(
        Kokkos::TeamVectorRange(team, columns),
        [&](std::int64_t v, float& part) { part = logits[v] > part ? logits[v] : part; }, Kokkos::Max<float>(largest));
    return largest;
  }

  /// Sum of e^(logit - maximum). If `is_kept`, each exponential replaces its logit.
  KOKKOS_INLINE_FUNCTION float sum_of_exponentials(const RowTeam& team, std::int64_t token, float maximum,
                                                   bool is_kept) const {
    float* logits = row(token);
    double sum = 0;  // a row may be summed by one lane
    Kokkos::parallel_reduce(
        Kokkos::TeamVectorRange(team, columns),
        [&](std::int64_t v, double& part) {
          const float exponential = kokkos::exponential(logits[v] - maximum);
          part += static_cast<double>(exponential);
          if (is_kept) {
            logits[v] = exponential;
          }
        },
        sum);
    return static_cast<float>(sum);
  }

  /// Overwrites exponentials by weight (softmax - onehot), or by zeros where the token is ignored.
  KOKKOS_INLINE_FUNCTION void write_gradient(const RowTeam& team, std::int64_t token, std::int64_t target,
                                             bool is_ignored, float sum, float weight) const {
    float* values = row(token);
    const float factor = is_ignored ? 0.0F : weight / sum;
    Kokkos::parallel_for(Kokkos::TeamVectorRange(team, columns), [&](std::int64_t v) {
      values[v] = is_ignored ? 0.0F : values[v] * factor - (v == target ? weight : 0.0F);
    });
  }
};

Logits logits_of(const TensorView<float, 2>& logits) { return {logits.data, logits.strides[0], logits.shape[1]}; }

/// The loss of a token, and where it has weights the gradient in the place of its logits.
struct LossKernel {
  Logits logits;
  const std::int32_t* targets;
  const float* weights;  ///< null: no gradient
  float* nll;

  KOKKOS_INLINE_FUNCTION void operator()(const RowTeam& team, std::int64_t token) const {
    const std::int64_t target = targets[token];
    const bool is_ignored = target < 0;
    float loss = 0;
    float sum = 0;
    if (!is_ignored) {
      const float maximum = logits.maximum(team, token);
      // The host cannot check targets: a target outside the row gives a NaN loss.
      const float target_logit = target < logits.columns ? logits.row(token)[target] : kokkos::not_a_number;
      team.team_barrier();  // the exponentials take the logits' place
      sum = logits.sum_of_exponentials(team, token, maximum, weights != nullptr);
      loss = kokkos::logarithm(sum) + (maximum - target_logit);
    }
    if (weights != nullptr) {
      team.team_barrier();
      logits.write_gradient(team, token, target, is_ignored, sum, weights[token]);
    }
    Kokkos::single(Kokkos::PerTeam(team), [&]() { nll[token] = loss; });
  }
};

struct ShardMaximumKernel {
  Logits logits;
  float* maximum;

  KOKKOS_INLINE_FUNCTION void operator()(const RowTeam& team, std::int64_t token) const {
    const float largest = logits.maximum(team, token);
    Kokkos::single(Kokkos::PerTeam(team), [&]() { maximum[token] = largest; });
  }
};

struct ShardExponentialsKernel {
  Logits logits;
  const std::int32_t* targets;
  std::int64_t vocab_begin;
  const float* maximum;
  float* sum;
  float* target_logit;

  KOKKOS_INLINE_FUNCTION void operator()(const RowTeam& team, std::int64_t token) const {
    float of_target = 0;
    float total = 0;
    if (targets[token] >= 0) {
      const std::int64_t target = targets[token] - vocab_begin;
      of_target = target >= 0 && target < logits.columns ? logits.row(token)[target] : 0.0F;
      team.team_barrier();
      total = logits.sum_of_exponentials(team, token, maximum[token], true);
    }
    Kokkos::single(Kokkos::PerTeam(team), [&]() {
      sum[token] = total;
      target_logit[token] = of_target;
    });
  }
};

struct ShardGradientKernel {
  Logits logits;
  const std::int32_t* targets;
  std::int64_t vocab_begin;
  const float* sum;
  const float* weights;

  KOKKOS_INLINE_FUNCTION void operator()(const RowTeam& team, std::int64_t token) const {
    logits.write_gradient(team, token, targets[token] - vocab_begin, targets[token] < 0, sum[token], weights[token]);
  }
};

class KokkosCrossEntropy final : public CrossEntropy {
  [[nodiscard]] bool can_host_read_operands() const override { return false; }

  void run_forward(const CrossEntropyForward& pass) override {
    // The forward pass writes no logits: the kernel keeps them where it has no weights.
    const Logits logits{const_cast<float*>(pass.logits.data), pass.logits.strides[0], pass.logits.shape[1]};
    kokkos::for_each_row(
        "ringworld::loss::forward", pass.logits.shape[0],
        LossKernel{.logits = logits, .targets = pass.targets.data(), .weights = nullptr, .nll = pass.nll.data()});
  }

  void run_backward(const CrossEntropyBackward& pass) override {
    kokkos::for_each_row("ringworld::loss::backward", pass.logits.shape[0],
                         LossKernel{.logits = logits_of(pass.logits),
                                    .targets = pass.targets.data(),
                                    .weights = pass.weights.data(),
                                    .nll = pass.nll.data()});
  }

  void run_shard_maximum(const CrossEntropyShard& shard, std::span<float> maximum) override {
    kokkos::for_each_row("ringworld::loss::shard_maximum", shard.logits.shape[0],
                         ShardMaximumKernel{.logits = logits_of(shard.logits), .maximum = maximum.data()});
  }

  void run_shard_exponentials(const CrossEntropyShard& shard, std::span<const float> maximum, std::span<float> sum,
                              std::span<float> target_logit) override {
    kokkos::for_each_row("ringworld::loss::shard_exponentials", shard.logits.shape[0],
                         ShardExponentialsKernel{.logits = logits_of(shard.logits),
                                                 .targets = shard.targets.data(),
                                                 .vocab_begin = shard.vocab_begin,
                                                 .maximum = maximum.data(),
                                                 .sum = sum.data(),
                                                 .target_logit = target_logit.data()});
  }

  void run_shard_gradient(const CrossEntropyShard& shard, std::span<const float> sum,
                          std::span<const float> weights) override {
    kokkos::for_each_row("ringworld::loss::shard_gradient", shard.logits.shape[0],
                         ShardGradientKernel{.logits = logits_of(shard.logits),
                                             .targets = shard.targets.data(),
                                             .vocab_begin = shard.vocab_begin,
                                             .sum = sum.data(),
                                             .weights = weights.data()});
  }
};

}  // namespace

std::unique_ptr<CrossEntropy> make_kokkos_cross_entropy(const KernelOptions& /*options*/) {
  return std::make_unique<KokkosCrossEntropy>();
}

}  // namespace ringworld
