#include <algorithm>
#include <cmath>

#include "kernels/elementwise/parallel.hpp"
#include "kernels/elementwise/row_functions.hpp"
#include "kernels/loss/loss.hpp"

namespace ringworld {
namespace {

class HostCrossEntropy final : public CrossEntropy {
 public:
  explicit HostCrossEntropy(const KernelOptions& options) : threads_(options.threads) {}

 private:
  void run_forward(const CrossEntropyForward& pass) override {
    const std::int64_t columns = pass.logits.shape[1];
    for_each_token(pass.logits.shape, [&](std::int64_t token, std::size_t t) {
      pass.nll[t] = 0.0F;
      if (pass.targets[t] >= 0) {
        const float* logits = &pass.logits(token, 0);
        const float maximum = functions_.maximum(logits, columns);
        const float sum = functions_.sum_exponentials(logits, columns, maximum, nullptr);
        pass.nll[t] = std::log(sum) + (maximum - logits[pass.targets[t]]);
      }
    });
  }

  void run_backward(const CrossEntropyBackward& pass) override {
    const std::int64_t columns = pass.logits.shape[1];
    for_each_token(pass.logits.shape, [&](std::int64_t token, std::size_t t) {
      float* logits = &pass.logits(token, 0);
      const std::int64_t target = pass.targets[t];
      pass.nll[t] = 0.0F;
      float sum = 0.0F;
      if (target >= 0) {
        const float maximum = functions_.maximum(logits, columns);
        const float target_logit = logits[target];
        sum = functions_.sum_exponentials(logits, columns, maximum, logits);
        pass.nll[t] = std::log(sum) + (maximum - target_logit);
      }
      write_gradient({.row = logits, .columns = columns, .target = target, .is_ignored = target < 0}, sum,
                     pass.weights[t]);
    });
  }

  void run_shard_maximum(const CrossEntropyShard& shard, std::span<float> maximum) override {
    for_each_token(shard.logits.shape, [&](std::int64_t token, std::size_t t) {
      maximum[t] = functions_.maximum(&shard.logits(token, 0), shard.logits.shape[1]);
    });
  }

  void run_shard_exponentials(const CrossEntropyShard& shard, std::span<const float> maximum, std::span<float> sum,
                              std::span<float> target_logit) override {
    const std::int64_t columns = shard.logits.shape[1];
    for_each_token(shard.logits.shape, [&](std::int64_t token, std::size_t t) {
      sum[t] = target_logit[t] = 0.0F;
      if (shard.targets[t] >= 0) {
        float* logits = &shard.logits(token, 0);
        const std::int64_t target = shard.targets[t] - shard.vocab_begin;
        if (target >= 0 && target < columns) {
          target_logit[t] = logits[target];
        }
        sum[t] = functions_.sum_exponentials(logits, columns, maximum[t], logits);
      }
    });
  }

  void run_shard_gradient(const CrossEntropyShard& shard, std::span<const float> sum,
                          std::span<const float> weights) override {
    for_each_token(shard.logits.shape, [&](std::int64_t token, std::size_t t) {
      write_gradient({.row = &shard.logits(token, 0),
                      .columns = shard.logits.shape[1],
                      .target = shard.targets[t] - shard.vocab_begin,
                      .is_ignored = shard.targets[t] < 0},
                     sum[t], weights[t]);
    });
  }

  /// Exponentials of a token's logits; the target may lie in another shard.
  struct Exponentials {
    float* row;
    std::int64_t columns;
    std::int64_t target;
    bool is_ignored;
  };

  /// Calls `body(token, token)`, once as the views and once as the spans count.
  template <class Body>
  void for_each_token(const std::array<std::int64_t, 2>& shape, const Body& body) {
    row::for_each_range(threads_, shape[0], row::rows_per_range(shape[1]), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t token = begin; token < end; ++token) {
        body(token, static_cast<std::size_t>(token));
      }
    });
  }

  /// weight (softmax - onehot).
  void write_gradient(const Exponentials& token, float sum, float weight) const {
    if (token.is_ignored) {
      std::fill_n(token.row, token.columns, 0.0F);
      return;
    }
    functions_.scale(token.row, token.columns, weight / sum);
    if (token.target >= 0 && token.target < token.columns) {
      token.row[token.target] -= weight;
    }
  }

  int threads_;
  const row::RowFunctions& functions_ = row::row_functions(selected_isa());
};

}  // namespace

std::unique_ptr<CrossEntropy> make_host_cross_entropy(const KernelOptions& options) {
  return std::make_unique<HostCrossEntropy>(options);
}

}  // namespace ringworld
