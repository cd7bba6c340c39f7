#pragma once
/// @file  The frames of a picture, an animation, a video or a folder of pictures, one after another.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "media/image.hpp"

namespace ringworld {

/// Frames in the order in which they are shown.
class FrameStream {
 public:
  FrameStream() = default;
  FrameStream(const FrameStream&) = delete;
  FrameStream& operator=(const FrameStream&) = delete;
  virtual ~FrameStream() = default;

  /// Goes to the next frame. Returns the time at which it is shown, in seconds from the first one; nothing behind the
  /// last.
  /// @throws ringworld::Error (bad_input) that names the file when it is damaged.
  [[nodiscard]] virtual std::optional<double> advance() = 0;

  /// The frame that `advance` went to; once a frame.
  /// @throws ringworld::Error (bad_input) that names the file when it is damaged.
  [[nodiscard]] virtual Image frame() = 0;
};

/// Opens a file by its content, whatever its name; a folder is one clip, whose frames are its pictures in natural order.
/// @param folder_rate  frames a second of a folder, whose files have no times
/// @throws ringworld::Error (bad_input) that names the path and says what can be read when it is missing, empty,
/// damaged, or of another kind; a folder without pictures.
[[nodiscard]] std::unique_ptr<FrameStream> open_frame_stream(const std::filesystem::path& path, double folder_rate);

/// A PNG or JPEG, by its content; of an animated GIF the first frame.
/// @throws as open_frame_stream
[[nodiscard]] Image read_image(const std::filesystem::path& path);

/// Whether a file of a folder counts as a picture of one frame, or as any kind of picture or video: by its content, or
/// by what its name promises, so that a damaged one is an error and not left out.
[[nodiscard]] bool is_still_picture_file(const std::filesystem::path& path);
[[nodiscard]] bool is_media_file(const std::filesystem::path& path);

/// The files of a folder that `wanted` accepts, in natural order. Hidden ones and folders are left out.
/// @throws ringworld::Error (bad_input) that names the folder when there is none.
[[nodiscard]] std::vector<std::filesystem::path> files_in_folder(const std::filesystem::path& folder,
                                                                 bool (*wanted)(const std::filesystem::path&));

}  // namespace ringworld
