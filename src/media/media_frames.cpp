#include "media/media_frames.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "data/draw_stream.hpp"
#include "media/clip_reader.hpp"
#include "media/natural_order.hpp"
#include "media/pixels.hpp"
#include "media/resize.hpp"

namespace ringworld {

namespace fs = std::filesystem;

namespace {

/// A picture in its file, or a frame of a video in memory.
struct DrawnFrame {
  fs::path file;
  std::optional<Image> image;
};

/// All pictures and videos under a folder, in natural order.
std::vector<fs::path> files_under(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code failed;
  for (fs::recursive_directory_iterator entry(folder, failed), end; !failed && entry != end; entry.increment(failed)) {
    std::error_code ignored;
    const bool is_hidden = entry->path().filename().string().starts_with('.');
    if (!is_hidden && entry->is_regular_file(ignored) && is_media_file(entry->path())) {
      files.push_back(entry->path());
    }
  }
  require_input(!failed, fmt::format("folder '{}' cannot be read: {}", folder.string(), failed.message()));
  require_input(
      !files.empty(),
      fmt::format("folder '{}' holds no picture or video: PNG, JPEG, GIF or video files are needed", folder.string()));
  std::ranges::sort(files, comes_before_naturally, [](const fs::path& file) { return file.string(); });
  return files;
}

std::vector<fs::path> all_files(const std::vector<fs::path>& paths) {
  std::vector<fs::path> files;
  for (const fs::path& path : paths) {
    std::error_code ignored;
    if (fs::is_directory(path, ignored)) {
      std::ranges::copy(files_under(path), std::back_inserter(files));
    } else {
      files.push_back(path);
    }
  }
  require_input(!files.empty(), "no pictures or videos are given to draw frames from");
  return files;
}

/// A video may be larger than the memory.
void add_content(Digest& digest, const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::vector<char> block(std::size_t{1} << 20U);
  std::int64_t bytes = 0;
  while (stream.read(block.data(), std::ssize(block)) || stream.gcount() > 0) {
    digest.add(std::string_view(block.data(), static_cast<std::size_t>(stream.gcount())));
    bytes += stream.gcount();
  }
  require_input(!stream.bad(), fmt::format("'{}' cannot be read to its end", file.string()));
  digest.add(bytes);
}

class MediaFrames final : public FrameSource {
 public:
  MediaFrames(const std::vector<fs::path>& files, std::int64_t side) : side_(side) {
    require(side > 0, "a frame has at least one pixel");
    Digest digest;
    digest.add(side);
    for (const fs::path& file : files) {
      add(file);
      add_content(digest, file);
    }
    digest_ = fmt::format("{:016x}", digest.value());
  }

  std::int64_t frame_side() const override { return side_; }

  void draw(std::uint64_t index, std::span<float> frame) const override {
    require(std::ssize(frame) == 3 * side_ * side_, "a frame has side * side * 3 numbers");
    DrawStream draws(0, DrawPurpose::media_frame, {index});
    const DrawnFrame& drawn = frames_[static_cast<std::size_t>(draws.below(std::ssize(frames_)))];
    if (drawn.image.has_value()) {
      normalise(drawn.image->pixels, frame);
    } else {
      normalise(square_frame(read_image(drawn.file), side_, fmt::format("'{}'", drawn.file.string())).pixels, frame);
    }
  }

  std::string digest() const override { return digest_; }

 private:
  void add(const fs::path& file) {
    if (is_still_picture_file(file)) {
      frames_.push_back({.file = file, .image = {}});
      return;
    }
    ClipReader reader(file, {.side = side_, .choice = {.frames = frames_of_a_video}});
    while (auto image = reader.next()) {
      frames_.push_back({.file = file, .image = std::move(image)});
    }
  }

  std::int64_t side_;
  std::vector<DrawnFrame> frames_;
  std::string digest_;
};

}  // namespace

std::unique_ptr<FrameSource> make_media_frames(const std::vector<fs::path>& paths, std::int64_t side) {
  return std::make_unique<MediaFrames>(all_files(paths), side);
}

}  // namespace ringworld
