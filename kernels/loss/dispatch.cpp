#include <fmt/format.h>

#include <cmath>

#include "core/error.hpp"
#include "kernels/loss/loss.hpp"
#include "kernels/row/backend_choice.hpp"

namespace ringworld {
namespace {

void check_targets(std::span<const std::int32_t> targets, std::int64_t vocab_size) {
  for (std::size_t t = 0; t < targets.size(); ++t) {
    require_input(targets[t] < vocab_size,
                  fmt::format("cross-entropy: target {} of token {} is not below the {} logits of a row", targets[t], t,
                              vocab_size));
  }
}

void check_shape(const TensorView<const float, 2>& logits, std::span<const std::int32_t> targets,
                 std::initializer_list<std::span<const float>> per_token) {
  require(logits.strides[1] == 1, "cross-entropy: the rows of the logits must be dense");
  require(std::ssize(targets) == logits.shape[0], "cross-entropy: targets are not one a row of logits");
  for (const std::span<const float> values : per_token) {
    require(values.size() == targets.size(),
            "cross-entropy: nll, weights, maximum, sum or target_logit does not have one element a row of logits");
  }
}

}  // namespace

void check_cross_entropy_shapes(const CrossEntropyForward& pass) { check_shape(pass.logits, pass.targets, {pass.nll}); }

void check_cross_entropy_shapes(const CrossEntropyBackward& pass) {
  check_shape(pass.logits, pass.targets, {pass.nll, pass.weights});
}

void check_cross_entropy(const CrossEntropyForward& pass) {
  check_cross_entropy_shapes(pass);
  check_targets(pass.targets, pass.logits.shape[1]);
}

void check_cross_entropy(const CrossEntropyBackward& pass) {
  check_cross_entropy_shapes(pass);
  check_targets(pass.targets, pass.logits.shape[1]);
}

void check_cross_entropy(const CrossEntropyShard& shard, std::initializer_list<std::span<const float>> per_token) {
  check_shape(shard.logits, shard.targets, per_token);
}

void negative_log_likelihoods(std::span<const std::int32_t> targets, std::span<const float> maximum,
                              std::span<const float> sum, std::span<const float> target_logit, std::span<float> nll) {
  for (std::size_t t = 0; t < targets.size(); ++t) {
    // The difference first: both are large where the logits are, and it is exact where the target is likely.
    nll[t] = targets[t] < 0 ? 0.0F : std::log(sum[t]) + (maximum[t] - target_logit[t]);
  }
}

std::unique_ptr<CrossEntropy> make_cross_entropy(Backend backend) {
  return row::make<CrossEntropy>(backend, {.reference = make_reference_cross_entropy,
                                           .kokkos = make_kokkos_cross_entropy,
                                           .cuda = make_cuda_cross_entropy});
}

}  // namespace ringworld
