#include "kernels/loss/cost.hpp"

namespace ringworld {
namespace {

/// @param times_moved  how often the logits are read or written
Cost cost_of_logits(const TensorView<const float, 2>& logits, std::int64_t flop_per_logit, std::int64_t flop_per_token,
                    std::int64_t times_moved) {
  const auto [tokens, columns] = logits.shape;
  return {.flop = static_cast<double>(tokens * (flop_per_logit * columns + flop_per_token)),
          .bytes = static_cast<double>(times_moved * tokens * columns * size_of(DType::float32))};
}

}  // namespace

Cost cost_of(const CrossEntropyForward& pass) { return cost_of_logits(pass.logits, 3, 3, 1); }

Cost cost_of(const CrossEntropyBackward& pass) { return cost_of_logits(pass.logits, 6, 3, 2); }

Cost cost_of(const CrossEntropyShard& shard, ShardStep step) {
  return step == ShardStep::maximum ? cost_of_logits(shard.logits, 0, 0, 1) : cost_of_logits(shard.logits, 3, 0, 2);
}

}  // namespace ringworld
