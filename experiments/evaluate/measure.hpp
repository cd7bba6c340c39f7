#pragma once
/// @file  One point of an evaluation, measured.

#include <cstdint>
#include <string>
#include <vector>

#include "cards/part_tally.hpp"
#include "data/haystack.hpp"
#include "experiments/evaluate/evaluated_model.hpp"

namespace ringworld {

/// An item whose frames and answer are kept.
struct KeptExample {
  std::string asked;
  std::string answered;
  bool is_right = false;
  std::int64_t frames = 0;
  std::vector<std::uint8_t> pixels;  ///< (frames, side, side, 3)
};

/// Answers to the items of a point, with what they cost. What the judge reads is on the root only, as are examples.
struct Measured {
  PartTally answers;
  PartTally ceilings;
  std::int64_t wrong_needle = 0;
  std::int64_t context_length = 0;  ///< of a row
  std::int64_t tokens = 0;          ///< read or generated
  double nll = 0;                   ///< of captions and digits asked for: mean over their tokens
  double seconds = 0;               ///< slowest rank
  std::int64_t peak_bytes = 0;      ///< of the rank that holds most
  std::int64_t planned_bytes = 0;   ///< of the rank that plans most; 0: not planned
  bool is_finite = true;
  std::vector<KeptExample> examples;
};

/// Captions of `items` images or clips, as the model gives them. Collective.
[[nodiscard]] Measured measure_captions(EvaluatedModel& model, EvaluationTask task);

/// Frames that the model generates from captions, as the judge reads them. Collective.
[[nodiscard]] Measured measure_generated(EvaluatedModel& model, const EvaluationPoint& point);

/// Digits that the model finds in videos. Collective.
[[nodiscard]] Measured measure_needles(EvaluatedModel& model, const VideoNeedleCell& cell, double theta);

/// Frames encoded and decoded by the frame tokenizer.
struct RoundTrip {
  PartTally original;  ///< what the judge reads from the frames as they were painted
  PartTally decoded;
  double psnr = 0;  ///< dB
  std::int64_t codes_used = 0;
  double code_perplexity = 0;
  double seconds = 0;
  std::vector<KeptExample> examples;
};
/// Not collective: what the root calls.
[[nodiscard]] RoundTrip measure_round_trip(EvaluatedModel& model);

/// Held-out text.
struct MeasuredText {
  std::int64_t tokens = 0;
  double nll = 0;  ///< mean
  double seconds = 0;
};
/// Collective.
[[nodiscard]] MeasuredText measure_text(EvaluatedModel& model, const Haystack& haystack);

}  // namespace ringworld
