#pragma once
/// @file  What a picture shows, by a fixed rule on its pixels: an answer about a generated frame that no network gives.
///
///   cell    the window of 16 x 16 pixels with the largest sum of the channels' maximum
///   colour  the palette's entry nearest to the sum of the window's pixels whose maximum is above 0.5, scaled to maximum 1
///   digit   that of the nearest glyph of the training handwriting (squared distance to 1 - the channels' maximum)

#include "cards/cards.hpp"

namespace ringworld {

struct CardReading {
  std::int64_t colour = 0;  ///< index into colour_names
  std::int64_t cell = 0;
  std::int64_t digit = 0;  ///< of a frame that shows a shape: the digit that looks most like it

  bool operator==(const CardReading&) const = default;
};

/// Reads frames. On clean frames of the held-out handwriting colour and cell are always right, the digit in 98 of 100.
class CardJudge {
 public:
  /// The world must outlive the judge.
  explicit CardJudge(const CardWorld& world);

  /// @param pixels  (side, side, 3) in [-1, 1]; larger frames than 32 x 32 are averaged down to it first
  [[nodiscard]] CardReading read(std::span<const float> pixels) const;

 private:
  /// @param ink  (16, 16), 0 the card and 1 ink
  [[nodiscard]] std::int64_t nearest_digit(std::span<const float> ink) const;

  const CardWorld& world_;
};

}  // namespace ringworld
