#pragma once
/// @file  The model of `ringworld needle`, made for the length and the RoPE angles of a cell.

#include <cstdint>
#include <optional>

#include "eval/greedy_decoder.hpp"
#include "eval/next_token.hpp"
#include "eval/ring_predictor.hpp"
#include "experiments/common/trained_model.hpp"
#include "experiments/needle/config.hpp"
#include "tasks/needle/generation.hpp"

namespace ringworld {

/// Makes models and decoders as cells need them; cells of one length and theta share one.
class ModelOfLength {
 public:
  ModelOfLength(const NeedleOptions& values, const TrainedModel& trained) : values_(values), trained_(trained) {}

  [[nodiscard]] std::int64_t contexts_per_pass(std::int64_t context_length, std::int64_t contexts) const;

  /// Collective over the job. @throws Error(out_of_memory), Error(bad_input), on every rank.
  NextTokenPredictor get(const Communicator& world, std::int64_t context_length, const NeedlePoint& point,
                         std::int64_t contexts);

  /// The same for generation.
  GreedyDecoder& get_decoder(const Communicator& world, const PromptShape& shape, const NeedlePoint& point);

 private:
  [[nodiscard]] bool fits(const PromptShape& shape, const NeedlePoint& point) const;
  /// Drops what was made, and calls `make` on every rank for what fits this shape and point.
  template <class Make>
  void replace(const Communicator& world, const PromptShape& shape, const NeedlePoint& point, const Make& make);

  const NeedleOptions& values_;
  const TrainedModel& trained_;
  std::optional<RingPredictor> model_;
  std::optional<GreedyDecoder> decoder_;
  PromptShape shape_;
  double theta_ = 0;
  RopeScalingChoice scaling_;
};

}  // namespace ringworld
