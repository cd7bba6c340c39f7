#pragma once
/// @file  The rows that `ringworld tokenize` records beside the codes.

#include <cstdint>
#include <string_view>

#include "io/row.hpp"

namespace ringworld {

/// Group of the datasets with codes, one an item.
inline constexpr std::string_view codes_group = "codes";

/// One picture, video or folder of frames that became codes.
struct TokenizedItemRow {
  static constexpr std::string_view path = "/tokenize/items";
  static constexpr std::string_view meaning =
      "one picture, video or folder of frames as codes: dataset codes/<name>, (frames, codes_per_side, "
      "codes_per_side), "
      "row by row";

  FixedString<240> source;
  FixedString<24> source_digest;
  std::int64_t frames_wanted = 0;
  double fps_wanted = 0;
  double folder_fps = 1;
  FixedString<24> resize_filter;
  FixedString<48> tokenizer_digest;
  FixedString<16> backend;
  std::int64_t threads = 1;
  FixedString<120> name;
  std::int64_t source_frames = 0;
  std::int64_t frames = 0;
  std::int64_t frame_side = 0;
  std::int64_t codes_per_side = 0;
  std::int64_t codebook_size = 0;
  double read_seconds = 0;
  double seconds = 0;
  double frames_per_second = 0;
  std::int64_t codes_used = 0;
  std::int64_t psnr_frames = 0;
  double psnr = 0;
  FixedString<160> tokenizer;
  std::int64_t ranks = 0;
  bool valid = false;
  FixedString<16> outcome;
  FixedString<240> reason;
  std::int64_t run = 0;

  static Columns columns() {
    using R = TokenizedItemRow;
    return {
        Column{"source", &R::source, Role::key, "", "file or folder, as it was given"},
        Column{"source_digest", &R::source_digest, Role::key, "",
               "digest of the file's content, or of all in a folder"},
        Column{"frames_wanted", &R::frames_wanted, Role::key, "frame",
               "most frames that were asked for, spread uniformly; 0: no limit"},
        Column{"fps_wanted", &R::fps_wanted, Role::key, "frame/s", "frames a second that were asked for; 0: all"},
        Column{"folder_fps", &R::folder_fps, Role::key, "frame/s", "rate of a folder's files, which have no times"},
        Column{"resize_filter", &R::resize_filter, Role::key, "",
               "how pictures got the size of frames: Pillow's bicubic filter, shorter side, then the square in the "
               "middle"},
        Column{"tokenizer_digest", &R::tokenizer_digest, Role::key, "", "digest of the network that made the codes"},
        Column{"backend", &R::backend, Role::key, "", "backend whose kernels computed, by name"},
        Column{"threads", &R::threads, Role::key, "", "threads of a rank"},
        Column{"name", &R::name, Role::origin, "", "dataset of the codes below the group codes"},
        Column{"source_frames", &R::source_frames, Role::measure, "frame", "frames that the source has"},
        Column{"frames", &R::frames, Role::measure, "frame", "frames of it that became codes"},
        Column{"frame_side", &R::frame_side, Role::origin, "pixel", "height and width of a frame"},
        Column{"codes_per_side", &R::codes_per_side, Role::origin, "", "codes along a side of a frame"},
        Column{"codebook_size", &R::codebook_size, Role::origin, "", "codes that the network has"},
        Column{"read_seconds", &R::read_seconds, Role::measure, "s",
               "time to read, decode, resize and cut the frames, on one rank"},
        Column{"seconds", &R::seconds, Role::measure, "s", "time of that and of the network's encoder, on one rank"},
        Column{"frames_per_second", &R::frames_per_second, Role::measure, "frame/s", "frames / seconds"},
        Column{"codes_used", &R::codes_used, Role::measure, "", "distinct codes of this item"},
        Column{"psnr_frames", &R::psnr_frames, Role::measure, "frame", "frames that were decoded again for psnr"},
        Column{"psnr", &R::psnr, Role::measure, "dB",
               "peak signal-to-noise ratio of these frames, decoded, against what was encoded; NaN: none was decoded"},
        Column{"tokenizer", &R::tokenizer, Role::origin, "", "file of the network, as it was given"},
        Column{"ranks", &R::ranks, Role::origin, "rank", "ranks of the job, each with items of its own"},
        Column{"valid", &R::valid, Role::verdict, "", "whether the row is to be believed"},
        Column{"outcome", &R::outcome, Role::verdict, "",
               "ok, failed_check, not_finite, out_of_memory, timeout, interrupted or bad_input"},
        Column{"reason", &R::reason, Role::verdict, "", "why the row is not valid; empty when it is"},
        Column{"run", &R::run, Role::origin, "",
               "0 for the run that started the record, n for the n-th that resumed it (/provenance)"}};
  }
};

/// One frame of an item.
struct TokenizedFrameRow {
  static constexpr std::string_view path = "/tokenize/frames";
  static constexpr std::string_view meaning = "one frame that became codes, and when it is shown";

  std::int64_t item = 0;
  std::int64_t frame = 0;
  std::int64_t source_frame = 0;
  double time = 0;

  static Columns columns() {
    using R = TokenizedFrameRow;
    return {Column{"item", &R::item, Role::key, "", "index of the row of /tokenize/items"},
            Column{"frame", &R::frame, Role::key, "", "index of the frame in the codes of the item"},
            Column{"source_frame", &R::source_frame, Role::measure, "", "index of the frame in the source"},
            Column{"time", &R::time, Role::measure, "s", "when it is shown, from the source's first frame on"}};
  }
};

}  // namespace ringworld
