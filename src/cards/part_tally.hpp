#pragma once
/// @file  Counts of right answers, for each part of what was asked: the colour, the digit, the cell, the direction.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cards/card_judge.hpp"

namespace ringworld {

/// Right answers of one part.
struct PartCount {
  std::string part;
  std::int64_t hits = 0;
  std::int64_t trials = 0;

  bool operator==(const PartCount&) const = default;
};

class PartTally {
 public:
  void add(std::string_view part, bool is_right);

  /// In the order in which the parts were first added.
  [[nodiscard]] const std::vector<PartCount>& parts() const { return parts_; }
  /// Hits over trials of a part; NaN when nothing was counted.
  [[nodiscard]] double share(std::string_view part) const;

 private:
  std::vector<PartCount> parts_;
};

/// Compares what a picture shows with what it was to show: parts colour, digit, cell, and all of them at once.
/// @pre the object is a digit
/// @return whether all are right
bool add_image(const CardFrame& asked, const CardReading& shown, PartTally& tally);

/// Compares the frames of a clip with what they were to show: parts colour and digit (of each frame), every_step (all
/// moves go one cell in the direction), net_direction (the last cell lies in the direction of the first, and in its
/// lane), and all (every step, colour and digit).
/// @return whether all are right
bool add_clip(const CardClip& asked, std::span<const CardReading> shown, PartTally& tally);

/// What somebody answers who sees these frames and is asked for a caption: the most frequent colour and digit, the cell
/// of the first frame, and the direction from the first cell to the last one.
struct CaptionReading {
  std::int64_t colour = 0;
  std::int64_t digit = 0;
  std::int64_t cell = 0;
  std::int64_t direction = -1;  ///< -1: in none of the four

  bool operator==(const CaptionReading&) const = default;
};
/// @pre there is a frame
[[nodiscard]] CaptionReading read_caption(std::span<const CardReading> frames);

}  // namespace ringworld
