#pragma once
/// @file  The chosen frames of a picture, a video or a folder, as squares of one size.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "media/frame_choice.hpp"
#include "media/frame_stream.hpp"

namespace ringworld {

struct ClipOptions {
  std::int64_t side = 0;  ///< height and width of a frame
  FrameChoice choice;
  double folder_rate = 1;  ///< frames a second of a folder, whose files have no times
};

/// Reads a clip twice: once for the number and the times of its frames, as what a file's header says of them is not
/// always so, and once for the frames that were chosen. Never holds more than one of them.
class ClipReader {
 public:
  /// Makes the first pass.
  /// @throws as open_frame_stream
  ClipReader(const std::filesystem::path& path, const ClipOptions& options);

  /// Frames of the file.
  [[nodiscard]] std::int64_t source_frames() const { return source_frames_; }
  /// Numbers of the chosen frames, and their times in seconds from the first of the file.
  [[nodiscard]] const std::vector<std::int64_t>& chosen() const { return chosen_; }
  [[nodiscard]] const std::vector<double>& times() const { return times_; }

  /// The next chosen frame, (side, side); nothing behind the last.
  /// @throws ringworld::Error (bad_input) that names the file when it is damaged or has changed since the first pass.
  [[nodiscard]] std::optional<Image> next();

 private:
  std::filesystem::path path_;
  ClipOptions options_;
  std::int64_t source_frames_ = 0;
  std::vector<std::int64_t> chosen_;
  std::vector<double> times_;
  std::unique_ptr<FrameStream> stream_;
  std::size_t given_ = 0;
  std::int64_t position_ = -1;  ///< of the stream
};

}  // namespace ringworld
