#include "experiments/needle/model_of_length.hpp"

#include <algorithm>

#include "comm/agreement.hpp"

namespace ringworld {

std::int64_t ModelOfLength::contexts_per_pass(std::int64_t context_length, std::int64_t contexts) const {
  return std::clamp<std::int64_t>(values_.tokens_per_pass / context_length, 1, contexts);
}

bool ModelOfLength::fits(const PromptShape& shape, const NeedlePoint& point) const {
  return shape == shape_ && point.theta == theta_ && point.scaling == scaling_;
}

template <class Make>
void ModelOfLength::replace(const Communicator& world, const PromptShape& shape, const NeedlePoint& point,
                            const Make& make) {
  model_.reset();
  decoder_.reset();
  on_every_rank(world, make);
  shape_ = shape;
  theta_ = point.theta;
  scaling_ = point.scaling;
}

NextTokenPredictor ModelOfLength::get(const Communicator& world, std::int64_t context_length, const NeedlePoint& point,
                                      std::int64_t contexts) {
  const std::int64_t batch = contexts_per_pass(context_length, contexts);
  const PromptShape shape{.batch = batch, .prompt_length = context_length, .new_tokens = 0};
  if (!model_ || !fits(shape, point)) {
    replace(world, shape, point, [&] {
      model_.emplace(trained_.parameters(),
                     ModelOptions{.batch = batch,
                                  .context_length = context_length,
                                  .schedule = values_.schedule,
                                  .layout = values_.layout,
                                  .dtype = values_.dtype,
                                  .wire_dtype = values_.dtype,
                                  .backend = values_.backend,
                                  .threads = values_.threads,
                                  .is_forward_only = true,
                                  .rope_scaling = point.scaling.given},
                     point.theta);
    });
  }
  return model_->function();
}

GreedyDecoder& ModelOfLength::get_decoder(const Communicator& world, const PromptShape& shape,
                                          const NeedlePoint& point) {
  if (!decoder_ || !fits(shape, point)) {
    replace(world, shape, point, [&] {
      decoder_.emplace(trained_.parameters(), DecoderOptions{.batch = shape.batch,
                                                             .prompt_length = shape.prompt_length,
                                                             .new_tokens = shape.new_tokens,
                                                             .schedule = values_.schedule,
                                                             .layout = values_.layout,
                                                             .dtype = values_.dtype,
                                                             .rope_theta = point.theta,
                                                             .rope_scaling = point.scaling.given,
                                                             .backend = values_.backend,
                                                             .threads = static_cast<int>(values_.threads)});
    });
  }
  return *decoder_;
}

}  // namespace ringworld
