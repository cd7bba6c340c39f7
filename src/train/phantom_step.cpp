#include "train/phantom_step.hpp"

#include <array>
#include <deque>
#include <vector>

namespace ringworld {
namespace {

/// `count` times the same value: one array for all ranks of a process and for all calls, which is never moved.
template <class T>
const T* constants(std::size_t count, T value) {
  static std::deque<std::vector<T>> kept;
  if (kept.empty() || kept.back().size() < count) {
    kept.emplace_back(count, value);
  }
  return kept.back().data();
}

}  // namespace

void take_phantom_step(ShardedParameters& parameters, AdamWShards& optimizer, Model& model, std::int64_t passes) {
  const ModelOptions& options = model.options();
  const std::array<std::int64_t, 2> shape{options.batch, std::ssize(model.positions())};
  const auto tokens = static_cast<std::size_t>(element_count(shape));
  const TensorView<const std::int32_t, 2> ids(constants<std::int32_t>(tokens, 0), shape);
  const TensorView<const float, 2> weights(constants<float>(tokens, 1.0F), shape);
  parameters.clear_gradients();
  for (std::int64_t pass = 0; pass < passes; ++pass) {
    static_cast<void>(
        model.forward_backward({.tokens = ids,
                                .targets = ids,
                                .weights = weights,
                                .document_ids = options.has_documents ? ids : TensorView<const std::int32_t, 2>()}));
  }
  parameters.finish_gradients();
  optimizer.step(0, optimizer.gradient_norm());
}

}  // namespace ringworld
