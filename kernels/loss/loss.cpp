#include "kernels/loss/loss.hpp"

#include <fmt/format.h>

#include <cmath>
#include <initializer_list>

#include "core/error.hpp"
#include "kernels/loss/cost.hpp"

namespace ringworld {
namespace {

void check_targets(std::span<const std::int32_t> targets, std::int64_t vocab_size) {
  for (std::size_t t = 0; t < targets.size(); ++t) {
    require_input(targets[t] < vocab_size,
                  fmt::format("cross-entropy: target {} of token {} is not below the {} logits of a row", targets[t], t,
                              vocab_size));
  }
}

/// @param per_token  what a step reads and writes beside the logits, each of which must be (T)
void check_shapes(const TensorView<const float, 2>& logits, std::span<const std::int32_t> targets,
                  std::initializer_list<std::span<const float>> per_token) {
  require(logits.strides[1] == 1, "cross-entropy: the rows of the logits must be dense");
  require(std::ssize(targets) == logits.shape[0], "cross-entropy: targets are not one a row of logits");
  for (const std::span<const float> values : per_token) {
    require(values.size() == targets.size(),
            "cross-entropy: nll, weights, maximum, sum or target_logit does not have one element a row of logits");
  }
}

}  // namespace

void CrossEntropy::forward(const CrossEntropyForward& pass) {
  check_shapes(pass.logits, pass.targets, {pass.nll});
  if (can_host_read_operands()) {
    check_targets(pass.targets, pass.logits.shape[1]);
  }
  charge(cost_of(pass));
  run_forward(pass);
}

void CrossEntropy::backward(const CrossEntropyBackward& pass) {
  check_shapes(pass.logits, pass.targets, {pass.nll, pass.weights});
  if (can_host_read_operands()) {
    check_targets(pass.targets, pass.logits.shape[1]);
  }
  charge(cost_of(pass));
  run_backward(pass);
}

void CrossEntropy::shard_maximum(const CrossEntropyShard& shard, std::span<float> maximum) {
  check_shapes(shard.logits, shard.targets, {maximum});
  charge(cost_of(shard, ShardStep::maximum));
  run_shard_maximum(shard, maximum);
}

void CrossEntropy::shard_exponentials(const CrossEntropyShard& shard, std::span<const float> maximum,
                                      std::span<float> sum, std::span<float> target_logit) {
  check_shapes(shard.logits, shard.targets, {maximum, sum, target_logit});
  charge(cost_of(shard, ShardStep::exponentials));
  run_shard_exponentials(shard, maximum, sum, target_logit);
}

void CrossEntropy::shard_gradient(const CrossEntropyShard& shard, std::span<const float> sum,
                                  std::span<const float> weights) {
  check_shapes(shard.logits, shard.targets, {sum, weights});
  charge(cost_of(shard, ShardStep::gradient));
  run_shard_gradient(shard, sum, weights);
}

void negative_log_likelihoods(std::span<const std::int32_t> targets, std::span<const float> maximum,
                              std::span<const float> sum, std::span<const float> target_logit, std::span<float> nll) {
  for (std::size_t t = 0; t < targets.size(); ++t) {
    // The difference first: both are large where the logits are, and it is exact where the target is likely.
    nll[t] = targets[t] < 0 ? 0.0F : std::log(sum[t]) + (maximum[t] - target_logit[t]);
  }
}

}  // namespace ringworld
