#pragma once
/// @file  The frames that a prompt shows, as codes.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "media/frame_choice.hpp"
#include "tokens/frame_tokenizer.hpp"

namespace ringworld {

struct GivenFrames {
  std::vector<Token> codes;        ///< (frames, codes of a frame)
  std::vector<double> times;       ///< of the frames, in seconds from the first of the file
  std::int64_t source_frames = 0;  ///< that the file has
  std::string digest;              ///< of the codes; empty without frames
  double seconds = 0;              ///< to read and encode them, slowest rank

  [[nodiscard]] std::int64_t frames() const { return static_cast<std::int64_t>(times.size()); }
};

/// Each rank encodes every P-th frame, and all get the codes of all. Collective over `world`.
/// @throws Error(bad_input, collective) naming the file when it cannot be read.
[[nodiscard]] GivenFrames encode_given_frames(const Communicator& world, const std::filesystem::path& path,
                                              const FrameChoice& choice, FrameTokenizer& tokenizer);

}  // namespace ringworld
