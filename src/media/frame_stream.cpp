#include "media/frame_stream.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <fstream>
#include <string_view>

#include "core/error.hpp"
#include "media/gif.hpp"
#include "media/jpeg.hpp"
#include "media/natural_order.hpp"
#include "media/png.hpp"
#include "media/video.hpp"

namespace ringworld {

namespace fs = std::filesystem;

namespace {

using namespace std::string_view_literals;

enum class MediaKind : std::uint8_t { png, jpeg, gif, unknown };

/// Pictures of other kinds, which people give by mistake, by their first bytes.
struct OtherPicture {
  std::string_view name;
  std::size_t position = 0;
  std::string_view signature;
};
constexpr std::array<OtherPicture, 7> other_pictures{{{"WebP", 8, "WEBPVP8"},
                                                      {"BMP", 0, "BM"},
                                                      {"TIFF", 0, "II*\0"sv},
                                                      {"TIFF", 0, "MM\0*"sv},
                                                      {"HEIC", 4, "ftypheic"},
                                                      {"AVIF", 4, "ftypavif"},
                                                      {"JPEG XL", 0, "\0\0\0\x0cJXL "sv}}};
constexpr std::size_t signature_bytes = 16;

std::string quoted(const fs::path& path) { return fmt::format("'{}'", path.string()); }

/// A file that can be read more than once.
void require_file(const fs::path& path) {
  std::error_code ignored;
  require_input(fs::exists(path, ignored), fmt::format("{} cannot be opened: there is no such file", quoted(path)));
  require_input(fs::is_regular_file(path, ignored), fmt::format("{} is neither a file nor a folder", quoted(path)));
  require_input(fs::file_size(path, ignored) > 0,
                fmt::format("{} is empty: a picture or a video is needed", quoted(path)));
}

FileBytes first_bytes(const fs::path& path, std::size_t most) {
  std::ifstream stream(path, std::ios::binary);
  require_input(stream.is_open(), fmt::format("{} cannot be opened for reading", quoted(path)));
  FileBytes bytes(most);
  stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(most));
  require_input(!stream.bad(), fmt::format("{} cannot be read", quoted(path)));
  bytes.resize(static_cast<std::size_t>(stream.gcount()));
  return bytes;
}

FileBytes read_whole(const fs::path& path) {
  std::error_code ignored;
  return first_bytes(path, static_cast<std::size_t>(fs::file_size(path, ignored)));
}

MediaKind kind_of(const FileBytes& bytes) {
  return is_png(bytes)    ? MediaKind::png
         : is_jpeg(bytes) ? MediaKind::jpeg
         : is_gif(bytes)  ? MediaKind::gif
                          : MediaKind::unknown;
}

void refuse_other_pictures(const FileBytes& bytes, const fs::path& path) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const OtherPicture& other : other_pictures) {
    require_input(text.size() < other.position || !text.substr(other.position).starts_with(other.signature),
                  fmt::format("{} is a {} picture: convert it to PNG or JPEG", quoted(path), other.name));
  }
}

bool has_suffix(const fs::path& path, std::initializer_list<std::string_view> suffixes) {
  std::string suffix = path.extension().string();
  std::ranges::transform(suffix, suffix.begin(), [](unsigned char letter) { return std::tolower(letter); });
  return std::ranges::find(suffixes, suffix) != suffixes.end();
}

Image decode_picture(const FileBytes& bytes, MediaKind kind, const fs::path& path) {
  return kind == MediaKind::png ? read_png(bytes, quoted(path)) : read_jpeg(bytes, quoted(path));
}

/// Pictures, each in a file of its own, which is read when it is asked for.
class PictureFiles final : public FrameStream {
 public:
  PictureFiles(std::vector<fs::path> files, double rate) : files_(std::move(files)), rate_(rate) {}

  std::optional<double> advance() override {
    if (next_ == files_.size()) {
      return std::nullopt;
    }
    return static_cast<double>(next_++) / rate_;
  }

  Image frame() override { return read_image(files_[next_ - 1]); }

 private:
  std::vector<fs::path> files_;
  double rate_;
  std::size_t next_ = 0;
};

}  // namespace

bool is_still_picture_file(const fs::path& path) {
  const MediaKind kind = kind_of(first_bytes(path, signature_bytes));
  return kind == MediaKind::png || kind == MediaKind::jpeg || has_suffix(path, {".png", ".jpg", ".jpeg"});
}

bool is_media_file(const fs::path& path) {
  return is_still_picture_file(path) || kind_of(first_bytes(path, signature_bytes)) == MediaKind::gif ||
         has_suffix(path, {".gif", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".flv",
                           ".ogv", ".wmv", ".3gp", ".y4m"});
}

std::vector<fs::path> files_in_folder(const fs::path& folder, bool (*wanted)(const fs::path&)) {
  std::error_code failed;
  std::vector<fs::path> files;
  for (fs::directory_iterator entry(folder, failed), end; !failed && entry != end; entry.increment(failed)) {
    std::error_code ignored;
    const bool is_hidden = entry->path().filename().string().starts_with('.');
    if (!is_hidden && entry->is_regular_file(ignored) && wanted(entry->path())) {
      files.push_back(entry->path());
    }
  }
  require_input(!failed, fmt::format("folder {} cannot be read: {}", quoted(folder), failed.message()));
  require_input(!files.empty(),
                fmt::format("folder {} holds no picture: PNG or JPEG files are needed", quoted(folder)));
  std::ranges::sort(files, comes_before_naturally, [](const fs::path& file) { return file.filename().string(); });
  return files;
}

Image read_image(const fs::path& path) {
  require_file(path);
  FileBytes bytes = read_whole(path);
  const MediaKind kind = kind_of(bytes);
  if (kind == MediaKind::gif) {
    const auto stream = open_gif(std::move(bytes), quoted(path));
    static_cast<void>(stream->advance());
    return stream->frame();
  }
  refuse_other_pictures(bytes, path);
  require_input(kind != MediaKind::unknown, fmt::format("{} is no picture: PNG, JPEG or GIF is needed", quoted(path)));
  return decode_picture(bytes, kind, path);
}

std::unique_ptr<FrameStream> open_frame_stream(const fs::path& path, double folder_rate) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) {
    return std::make_unique<PictureFiles>(files_in_folder(path, is_still_picture_file), folder_rate);
  }
  require_file(path);
  const FileBytes signature = first_bytes(path, signature_bytes);
  switch (kind_of(signature)) {
    case MediaKind::png:
    case MediaKind::jpeg:
      return std::make_unique<PictureFiles>(std::vector<fs::path>{path}, folder_rate);
    case MediaKind::gif:
      return open_gif(read_whole(path), quoted(path));
    default:
      refuse_other_pictures(signature, path);
      return open_video(path);
  }
}

}  // namespace ringworld
