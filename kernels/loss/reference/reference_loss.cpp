#include <limits>

#include "kernels/elementwise/widened_row.hpp"
#include "kernels/loss/loss.hpp"
#include "kernels/loss/reference/softmax.hpp"

namespace ringworld {
namespace {

using row::narrow;
using row::widened;

class ReferenceCrossEntropy final : public CrossEntropy {
  void run_forward(const CrossEntropyForward& pass) override {
    for (std::size_t t = 0; t < pass.targets.size(); ++t) {
      pass.nll[t] = 0.0F;
      if (pass.targets[t] >= 0) {
        std::vector<double> logits = widened(pass.logits, static_cast<std::int64_t>(t));
        pass.nll[t] = static_cast<float>(reference::cross_entropy<double>(logits, pass.targets[t], 0.0));
      }
    }
  }

  void run_backward(const CrossEntropyBackward& pass) override {
    for (std::size_t t = 0; t < pass.targets.size(); ++t) {
      const auto row = static_cast<std::int64_t>(t);
      std::vector<double> logits(static_cast<std::size_t>(pass.logits.shape[1]));
      pass.nll[t] = 0.0F;
      if (pass.targets[t] >= 0) {
        logits = widened(RowsView(pass.logits), row);
        pass.nll[t] = static_cast<float>(
            reference::cross_entropy<double>(logits, pass.targets[t], static_cast<double>(pass.weights[t])));
      }
      narrow(logits, pass.logits, row);
    }
  }

  void run_shard_maximum(const CrossEntropyShard& shard, std::span<float> maximum) override {
    for (std::int64_t t = 0; t < shard.logits.shape[0]; ++t) {
      float largest = -std::numeric_limits<float>::infinity();
      for (std::int64_t v = 0; v < shard.logits.shape[1]; ++v) {
        largest = std::max(largest, shard.logits(t, v));
      }
      maximum[static_cast<std::size_t>(t)] = largest;
    }
  }

  void run_shard_exponentials(const CrossEntropyShard& shard, std::span<const float> maximum, std::span<float> sum,
                              std::span<float> target_logit) override {
    for (std::size_t t = 0; t < shard.targets.size(); ++t) {
      const auto row = static_cast<std::int64_t>(t);
      const std::int64_t target = shard.targets[t] - shard.vocab_begin;
      sum[t] = target_logit[t] = 0.0F;
      if (shard.targets[t] >= 0) {
        if (target >= 0 && target < shard.logits.shape[1]) {
          target_logit[t] = shard.logits(row, target);
        }
        std::vector<double> logits = widened(RowsView(shard.logits), row);
        sum[t] = static_cast<float>(reference::exponentiate<double>(logits, static_cast<double>(maximum[t])));
        narrow(logits, shard.logits, row);
      }
    }
  }

  void run_shard_gradient(const CrossEntropyShard& shard, std::span<const float> sum,
                          std::span<const float> weights) override {
    for (std::size_t t = 0; t < shard.targets.size(); ++t) {
      const auto row = static_cast<std::int64_t>(t);
      std::vector<double> gradient(static_cast<std::size_t>(shard.logits.shape[1]));
      if (shard.targets[t] >= 0) {
        gradient = widened(RowsView(shard.logits), row);
        reference::softmax_gradient<double>(gradient, static_cast<double>(sum[t]), shard.targets[t] - shard.vocab_begin,
                                            static_cast<double>(weights[t]));
      }
      narrow(gradient, shard.logits, row);
    }
  }
};

}  // namespace

std::unique_ptr<CrossEntropy> make_reference_cross_entropy(const KernelOptions& /*options*/) {
  return std::make_unique<ReferenceCrossEntropy>();
}

}  // namespace ringworld
