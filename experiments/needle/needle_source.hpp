#pragma once
/// @file  Where the trials of an evaluation come from: held-out hay, and needles in words that the model knows.

#include <optional>

#include "data/haystack.hpp"
#include "data/needle_format.hpp"
#include "data/prompt_needles.hpp"
#include "experiments/common/trained_model.hpp"
#include "experiments/needle/config.hpp"

namespace ringworld {

class NeedleSource {
 public:
  /// `model` must outlive this.
  /// @throws Error(bad_input) when the haystack cannot be read, or the needle template is unknown.
  NeedleSource(const NeedleOptions& values, const TrainedModel& model);

  [[nodiscard]] const Haystack& haystack() const { return haystack_; }
  [[nodiscard]] NeedleTrial draw(const NeedleCell& cell, std::int64_t trial) const;

 private:
  Haystack haystack_;
  std::optional<NeedleFormat> format_;   // over the word vocabulary
  std::optional<PromptNeedles> prompt_;  // over any other
};

}  // namespace ringworld
