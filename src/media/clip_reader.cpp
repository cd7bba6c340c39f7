#include "media/clip_reader.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "media/resize.hpp"

namespace ringworld {

ClipReader::ClipReader(const std::filesystem::path& path, const ClipOptions& options) : path_(path), options_(options) {
  require(options.side > 0, "a frame has at least one pixel");
  std::vector<double> all;
  const auto stream = open_frame_stream(path, options.folder_rate);
  while (const std::optional<double> time = stream->advance()) {
    all.push_back(*time);
  }
  source_frames_ = std::ssize(all);
  chosen_ = choose_frames(all, options.choice);
  for (const std::int64_t frame : chosen_) {
    times_.push_back(all[static_cast<std::size_t>(frame)]);
  }
}

std::optional<Image> ClipReader::next() {
  if (given_ == chosen_.size()) {
    stream_.reset();
    return std::nullopt;
  }
  if (stream_ == nullptr) {
    stream_ = open_frame_stream(path_, options_.folder_rate);
  }
  for (; position_ < chosen_[given_]; ++position_) {
    require_input(stream_->advance().has_value(),
                  fmt::format("'{}' had {} frames and has fewer now: it must not change while it is read",
                              path_.string(), source_frames_));
  }
  ++given_;
  return square_frame(stream_->frame(), options_.side, fmt::format("'{}'", path_.string()));
}

}  // namespace ringworld
