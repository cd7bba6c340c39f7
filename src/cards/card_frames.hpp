#pragma once
/// @file  Cards as frames to train a VQGAN on.

#include <memory>

#include "cards/cards.hpp"
#include "data/frame_source.hpp"

namespace ringworld {

struct CardFramesOptions {
  CardSplit split = CardSplit::training;
  double shape_share = 0.25;  ///< of the frames
  std::uint64_t seed = 0;
};

/// Frames with a digit or a shape of any glyph, colour and cell, all uniform. They share the world.
[[nodiscard]] std::unique_ptr<FrameSource> make_card_frames(std::shared_ptr<const CardWorld> world,
                                                            const CardFramesOptions& options);

}  // namespace ringworld
