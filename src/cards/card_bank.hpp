#pragma once
/// @file  The codes of frames of cards, encoded once each.

#include <span>
#include <unordered_map>
#include <vector>

#include "cards/cards.hpp"
#include "tokens/frame_tokenizer.hpp"

namespace ringworld {

/// A frame is encoded when it is first asked for. Every rank fills a bank of its own, with what its sequences hold; codes
/// are the same on all. A bank serves one thread at a time.
class CardBank {
 public:
  /// Both must outlive the bank.
  /// @throws ringworld::Error (bad_input) when the frames of the two have unequal sides.
  CardBank(const CardWorld& world, FrameTokenizer& tokenizer);

  [[nodiscard]] const CardWorld& world() const { return world_; }
  [[nodiscard]] std::int64_t codes_per_frame() const { return codes_per_frame_; }

  /// The codes of `frames`, one frame after the other: (frames, codes_per_frame), each below the codebook's size.
  /// Frames that are new are encoded together: ask for a whole clip or video at once.
  [[nodiscard]] std::vector<Token> codes(std::span<const CardFrame> frames);

  /// How many different frames have been encoded.
  [[nodiscard]] std::int64_t encoded() const { return static_cast<std::int64_t>(place_of_.size()); }

 private:
  [[nodiscard]] std::uint64_t key(const CardFrame& frame) const;
  void encode_new(std::span<const CardFrame> frames);

  const CardWorld& world_;
  FrameTokenizer& tokenizer_;
  std::int64_t codes_per_frame_;
  std::unordered_map<std::uint64_t, std::size_t> place_of_;  ///< where in codes_ a frame's begin
  std::vector<Token> codes_;
};

}  // namespace ringworld
