#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/error.hpp"
#include "media/gif.hpp"
#include "media/gif_handle.hpp"

namespace ringworld {
namespace {

constexpr std::int32_t shortest_delay = 2;  // in 1/100 s
constexpr std::int32_t usual_delay = 10;

class GifStream final : public FrameStream {
 public:
  GifStream(FileBytes bytes, std::string name) : bytes_(std::move(bytes)), name_(std::move(name)) {
    int error = 0;
    gif_ = UniqueHandle<GifReaderTraits>(DGifOpen(this, &GifStream::read, &error));
    require_input(static_cast<bool>(gif_), damage(error));
    canvas_ = make_image(gif_.get()->SWidth, gif_.get()->SHeight, name_);
    forget_control();
  }

  std::optional<double> advance() override {
    GifRecordType type = UNDEFINED_RECORD_TYPE;
    while (true) {
      // Some programs leave the last byte, which says that the file ends, away.
      if (position_ == bytes_.size() && frames_ > 0) {
        return std::nullopt;
      }
      check(DGifGetRecordType(gif_.get(), &type));
      if (type == TERMINATE_RECORD_TYPE) {
        require_input(frames_ > 0, fmt::format("{} is a GIF without a frame", name_));
        return std::nullopt;
      }
      if (type == EXTENSION_RECORD_TYPE) {
        read_extension();
      } else if (type == IMAGE_DESC_RECORD_TYPE) {
        const double time = static_cast<double>(time_) / 100.0;
        draw();
        ++frames_;
        return time;
      }
    }
  }

  Image frame() override { return canvas_; }

 private:
  struct Place {
    std::int64_t left = 0;
    std::int64_t top = 0;
    std::int64_t width = 0;
    std::int64_t height = 0;
  };

  static int read(GifFileType* gif, GifByteType* target, int count) {
    auto& stream = *static_cast<GifStream*>(gif->UserData);
    const std::size_t given = std::min(static_cast<std::size_t>(count), stream.bytes_.size() - stream.position_);
    std::memcpy(target, stream.bytes_.data() + stream.position_, given);
    stream.position_ += given;
    return static_cast<int>(given);
  }

  [[nodiscard]] std::string damage(int error) const {
    return fmt::format("{} is a damaged GIF: {}", name_,
                       position_ == bytes_.size() ? "it ends too early" : gif_message(error));
  }

  void check(int code) const { require_input(code == GIF_OK, damage(gif_.get()->Error)); }

  void forget_control() {
    control_ = {.DisposalMode = DISPOSAL_UNSPECIFIED,
                .UserInputFlag = false,
                .DelayTime = 0,
                .TransparentColor = NO_TRANSPARENT_COLOR};
  }

  void read_extension() {
    int code = 0;
    GifByteType* block = nullptr;
    check(DGifGetExtension(gif_.get(), &code, &block));
    while (block != nullptr) {
      if (code == GRAPHICS_EXT_FUNC_CODE) {
        check(DGifExtensionToGCB(block[0], block + 1, &control_));
      }
      check(DGifGetExtensionNext(gif_.get(), &block));
    }
  }

  void draw() {
    check(DGifGetImageDesc(gif_.get()));
    const GifImageDesc& description = gif_.get()->Image;
    const Place place{
        .left = description.Left, .top = description.Top, .width = description.Width, .height = description.Height};
    require_image_size(place.width, place.height, name_);
    dispose();
    if (control_.DisposalMode == DISPOSE_PREVIOUS && frames_ == 0) {
      control_.DisposalMode = DISPOSE_DO_NOT;  // there is nothing before it
    } else if (control_.DisposalMode == DISPOSE_PREVIOUS) {
      before_ = canvas_;
    }
    const ColorMapObject* colours = description.ColorMap != nullptr ? description.ColorMap : gif_.get()->SColorMap;
    require_input(colours != nullptr, fmt::format("{} is a damaged GIF: a frame has no palette", name_));
    std::vector<GifPixelType> line(static_cast<std::size_t>(place.width));
    for (const std::int64_t row : rows_of(place.height, description.Interlace)) {
      check(DGifGetLine(gif_.get(), line.data(), static_cast<int>(place.width)));
      draw_line(line, place, row, *colours);
    }
    last_ = place;
    last_disposal_ = control_.DisposalMode;
    last_has_alpha_ = control_.TransparentColor != NO_TRANSPARENT_COLOR;
    time_ += control_.DelayTime < shortest_delay ? usual_delay : control_.DelayTime;
    forget_control();
  }

  /// Rows in the order in which the file has them.
  static std::vector<std::int64_t> rows_of(std::int64_t height, bool is_interlaced) {
    constexpr std::array<std::array<std::int64_t, 2>, 4> passes{{{0, 8}, {4, 8}, {2, 4}, {1, 2}}};
    std::vector<std::int64_t> rows;
    for (const auto& [first, step] : passes) {
      for (std::int64_t row = is_interlaced ? first : 0; row < height; row += is_interlaced ? step : 1) {
        rows.push_back(row);
      }
      if (!is_interlaced) {
        break;
      }
    }
    return rows;
  }

  void draw_line(const std::vector<GifPixelType>& line, const Place& place, std::int64_t row,
                 const ColorMapObject& colours) {
    const std::int64_t y = place.top + row;
    for (std::int64_t x = 0; x < place.width && y < canvas_.height; ++x) {
      const int index = line[static_cast<std::size_t>(x)];
      const bool is_seen = frames_ == 0 || index != control_.TransparentColor;
      if (is_seen && place.left + x < canvas_.width && index < colours.ColorCount) {
        put(place.left + x, y, colours.Colors[index]);
      }
    }
  }

  void put(std::int64_t x, std::int64_t y, const GifColorType& colour) {
    std::uint8_t* pixel = canvas_.pixels.data() + 3 * (canvas_.width * y + x);
    pixel[0] = colour.Red;
    pixel[1] = colour.Green;
    pixel[2] = colour.Blue;
  }

  /// Takes the last frame away, where the file says so.
  void dispose() {
    if (last_disposal_ == DISPOSE_PREVIOUS) {
      canvas_ = before_;
    } else if (last_disposal_ == DISPOSE_BACKGROUND) {
      const ColorMapObject* colours = gif_.get()->SColorMap;
      const int index = gif_.get()->SBackGroundColor;
      const bool has_colour = !last_has_alpha_ && colours != nullptr && index < colours->ColorCount;
      const GifColorType background = has_colour ? colours->Colors[index] : GifColorType{};
      for (std::int64_t y = last_.top; y < std::min(last_.top + last_.height, canvas_.height); ++y) {
        for (std::int64_t x = last_.left; x < std::min(last_.left + last_.width, canvas_.width); ++x) {
          put(x, y, background);
        }
      }
    }
  }

  FileBytes bytes_;
  std::string name_;
  std::size_t position_ = 0;
  UniqueHandle<GifReaderTraits> gif_;
  GraphicsControlBlock control_{};
  Image canvas_;
  Image before_;
  Place last_;
  int last_disposal_ = DISPOSAL_UNSPECIFIED;
  bool last_has_alpha_ = false;
  std::int64_t frames_ = 0;
  std::int64_t time_ = 0;  // in 1/100 s
};

}  // namespace

bool is_gif(std::span<const std::byte> bytes) {
  return bytes.size() >= 6 &&
         (std::memcmp(bytes.data(), "GIF87a", 6) == 0 || std::memcmp(bytes.data(), "GIF89a", 6) == 0);
}

std::unique_ptr<FrameStream> open_gif(FileBytes bytes, const std::string& name) {
  return std::make_unique<GifStream>(std::move(bytes), name);
}

}  // namespace ringworld
