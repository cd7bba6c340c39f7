#include "train/adamw_shards.hpp"

#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "core/error.hpp"

namespace ringworld {

void validate(const AdamWSettings& settings) {
  require_input(
      settings.beta1 >= 0 && settings.beta1 < 1 && settings.beta2 >= 0 && settings.beta2 < 1,
      fmt::format("optimizer: beta1 and beta2 are {} and {}; give 0 or more, below 1", settings.beta1, settings.beta2));
  require_input(settings.epsilon > 0, fmt::format("optimizer: epsilon is {}; give more than 0", settings.epsilon));
  require_input(settings.weight_decay >= 0,
                fmt::format("optimizer: weight_decay is {}; give 0 or more", settings.weight_decay));
  require_input(settings.clip >= 0, fmt::format("optimizer: clip is {}; give 0 (none) or more", settings.clip));
}

AdamWShards::AdamWShards(ShardedParameters& parameters, const AdamWSettings& settings, Backend backend, int threads)
    : parameters_(parameters),
      settings_(settings),
      optimizer_(make_optimizer(backend, {.threads = threads})),
      tensors_(make_tensor_ops(backend, {.threads = threads})),
      shards_(parameters.mesh().across({MeshAxis::fsdp, MeshAxis::tp, MeshAxis::sp})) {
  validate(settings);
  require(device_of(backend) == parameters.memory(), "optimizer: the parameters are not where this backend computes");
  const auto bytes = static_cast<std::int64_t>(parameters.shard().size_bytes());
  first_ = Buffer(bytes, parameters.memory(), MemoryUse::moments);
  second_ = Buffer(bytes, parameters.memory(), MemoryUse::moments);
  forget();
}

void AdamWShards::forget() {
  for (const Buffer* moments : {&first_, &second_}) {
    tensors_->fill_zero(std::span(moments->as<std::byte>(), static_cast<std::size_t>(moments->bytes())));
  }
  updates_ = 0;
}

std::span<float> AdamWShards::of(const Buffer& moments, const ParameterPiece& piece) {
  const auto offset = piece.parameter.data() - parameters_.shard().data();
  return {moments.as<float>() + offset, piece.parameter.size()};
}

double AdamWShards::gradient_norm() {
  const auto scope = parameters_.profile().scope(Work::elementwise);
  std::vector<std::span<const float>> gradients;
  for (const ParameterPiece& piece : parameters_.pieces()) {
    if (!piece.tensor->slice.is_replicated() || parameters_.mesh().coordinate(MeshAxis::tp) == 0) {
      gradients.emplace_back(piece.gradient);
    }
  }
  return std::sqrt(shards_.all_reduce(optimizer_->sum_of_squares_of_ranges(gradients), Reduction::sum));
}

void AdamWShards::step(double learning_rate, double norm) {
  const auto scope = parameters_.profile().scope(Work::elementwise);
  ++updates_;
  AdamWOptions options{.learning_rate = learning_rate,
                       .beta1 = settings_.beta1,
                       .beta2 = settings_.beta2,
                       .epsilon = settings_.epsilon,
                       .gradient_scale = settings_.clip > 0 && norm > settings_.clip ? settings_.clip / norm : 1.0,
                       .step = updates_};
  for (const ParameterPiece& piece : parameters_.pieces()) {
    options.weight_decay = settings_.decays_all || piece.is_decayed() ? settings_.weight_decay : 0.0;
    optimizer_->adamw({.parameter = piece.parameter,
                       .gradient = piece.gradient,
                       .first_moment = first_moment(piece),
                       .second_moment = second_moment(piece),
                       .bfloat16_copy = {}},
                      options);
  }
  parameters_.invalidate_gathered();
}

}  // namespace ringworld
