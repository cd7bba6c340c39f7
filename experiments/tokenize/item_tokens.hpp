#pragma once
/// @file  One item as codes, with what its row says of them.

#include <string>
#include <vector>

#include "experiments/tokenize/rows.hpp"
#include "media/frame_choice.hpp"
#include "tokens/frame_tokenizer.hpp"

namespace ringworld {

struct ItemOptions {
  FrameChoice choice;
  double folder_rate = 1;
  std::int64_t batch = 1;        ///< frames that the network sees at a time
  std::int64_t psnr_frames = 0;  ///< frames that are decoded again, spread uniformly; negative: all
};

struct ItemTokens {
  TokenizedItemRow row;                   ///< measures and verdict alone
  std::vector<TokenizedFrameRow> frames;  ///< without `item`
  std::vector<Token> codes;               ///< (frames, codes_per_side, codes_per_side)
};

/// Never holds more than a batch of frames in memory, but for their codes.
/// @throws Error(bad_input) that names the item when it cannot be read.
[[nodiscard]] ItemTokens tokenize_item(const std::string& item, const ItemOptions& options, FrameTokenizer& tokenizer);

}  // namespace ringworld
