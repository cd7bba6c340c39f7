#pragma once
/// @file  Codes back to pictures: the other direction of `ringworld tokenize`.

#include <cstdint>
#include <string>

#include "comm/communicator.hpp"
#include "tokens/frame_tokenizer.hpp"

namespace ringworld {

struct DecodeOptions {
  std::string codes;             ///< file that `ringworld tokenize` wrote
  std::string output;            ///< a folder, or a file *.png, *.gif or *.mp4
  std::string item;              ///< name of the one that is decoded; empty: all, or the only one
  double frames_per_second = 0;  ///< of a GIF or MP4; 0: as the frames' times say
  std::int64_t batch = 1;        ///< frames that the network sees at a time
};

/// Whether the output is one file, by its suffix; else it is a folder.
[[nodiscard]] bool is_one_file(const std::string& output);

/// Decodes frames on all ranks and writes them on the root; returns how many. Collective over `world`.
/// @throws Error(bad_input, collective) that names the file when it holds no codes, codes of another network or codebook,
/// or not the item that is asked for; or when the output cannot be written, or cannot hold what is to be written.
std::int64_t decode_codes(const Communicator& world, const DecodeOptions& options, FrameTokenizer& tokenizer);

}  // namespace ringworld
