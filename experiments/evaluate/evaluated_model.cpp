#include "experiments/evaluate/evaluated_model.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "device/buffer.hpp"
#include "eval/prediction_plan.hpp"
#include "experiments/common/frames_of_model.hpp"
#include "experiments/common/handwriting.hpp"

namespace ringworld {

EvaluatedModel::EvaluatedModel(const Communicator& world, const Mesh& mesh, const EvaluateOptions& values)
    : world_(world), mesh_(mesh), values_(values), trained_(world, mesh, values.checkpoint, values) {
  on_every_rank(world, [&] {
    frames_ = read_frame_tokenizer_of(trained_.description(), values.frame_tokenizer, values.backend,
                                      static_cast<int>(values.threads));
    cards_ = read_card_world({.frame_side = frames_->frame_side()});
    bank_.emplace(*cards_, *frames_);
    judge_.emplace(*cards_);
    format_.emplace(trained_.tokenizer(), trained_.parameters().config().vocabulary, frames_->codes_per_frame(),
                    frames_->codebook_size());
  });
}

std::vector<CardReading> EvaluatedModel::read(std::span<const Token> codes, std::vector<float>* pixels) {
  std::vector<float> decoded = frames_->decode(codes);
  const auto size = static_cast<std::size_t>(frames_->frame_size());
  std::vector<CardReading> readings;
  for (std::size_t begin = 0; begin < decoded.size(); begin += size) {
    readings.push_back(judge_->read(std::span(decoded).subspan(begin, size)));
  }
  if (pixels != nullptr) {
    *pixels = std::move(decoded);
  }
  return readings;
}

std::int64_t EvaluatedModel::rows_per_pass(std::int64_t context_length, std::int64_t rows) const {
  return std::clamp<std::int64_t>(values_.tokens_per_pass / context_length, 1, rows);
}

NextTokenPredictor EvaluatedModel::predictor(std::int64_t context_length, std::int64_t batch, double theta,
                                             std::int64_t log_length) {
  if (!predictor_ || context_length != context_length_ || batch != batch_ || theta != theta_ ||
      log_length != log_length_) {
    predictor_.reset();
    generator_.reset();
    const ModelOptions options{.batch = batch,
                               .context_length = context_length,
                               .schedule = values_.schedule,
                               .layout = values_.layout,
                               .dtype = values_.dtype,
                               .wire_dtype = values_.dtype,
                               .backend = values_.backend,
                               .threads = values_.threads,
                               .is_forward_only = true,
                               .log_length = log_length};
    on_every_rank(world_, [&] {
      planned_bytes_ = memory_account(device_of(values_.backend)).current +
                       plan_prediction(trained_.parameters().config(), options, mesh_.shape(), world_.rank());
      predictor_.emplace(trained_.parameters(), options, theta);
    });
    context_length_ = context_length;
    batch_ = batch;
    theta_ = theta;
    log_length_ = log_length;
  }
  return predictor_->function();
}

Generator& EvaluatedModel::generator() {
  predictor_.reset();
  if (!generator_) {
    on_every_rank(world_, [&] {
      generator_.emplace(trained_.parameters(), DecoderOptions{.schedule = values_.schedule,
                                                               .layout = values_.layout,
                                                               .dtype = values_.dtype,
                                                               .rope_theta = trained_.description().rope_theta,
                                                               .backend = values_.backend,
                                                               .threads = static_cast<int>(values_.threads)});
    });
  }
  return *generator_;
}

}  // namespace ringworld
