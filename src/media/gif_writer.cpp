#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "core/error.hpp"
#include "media/gif.hpp"
#include "media/gif_handle.hpp"
#include "media/palette.hpp"

namespace ringworld {
namespace {

class GifEncoder final : public ClipEncoder {
 public:
  GifEncoder(std::int64_t width, std::int64_t height, double frames_per_second)
      : width_(width), height_(height), rate_(frames_per_second) {
    int error = 0;
    gif_ = UniqueHandle<GifWriterTraits>(EGifOpen(this, &GifEncoder::write, &error));
    require(static_cast<bool>(gif_), "giflib cannot be started");
    EGifSetGifVersion(gif_.get(), true);
    check(EGifPutScreenDesc(gif_.get(), static_cast<int>(width), static_cast<int>(height), 8, 0, nullptr));
    check(EGifPutExtensionLeader(gif_.get(), APPLICATION_EXT_FUNC_CODE));
    check(EGifPutExtensionBlock(gif_.get(), 11, "NETSCAPE2.0"));
    check(EGifPutExtensionBlock(gif_.get(), 3, "\x01\0\0"));  // repeat for ever
    check(EGifPutExtensionTrailer(gif_.get()));
  }

  void add(const Image& frame) override {
    require(frame.width == width_ && frame.height == height_, "the frames of a clip have one size");
    put_delay();
    PalettePicture picture = with_palette(frame);
    const std::size_t colours = std::max<std::size_t>(std::bit_ceil(picture.colours.size()), 2);
    std::vector<GifColorType> table(colours, GifColorType{});
    std::ranges::transform(picture.colours, table.begin(), [](const auto& colour) {
      return GifColorType{.Red = colour[0], .Green = colour[1], .Blue = colour[2]};
    });
    const UniqueHandle<GifColoursTraits> map(GifMakeMapObject(static_cast<int>(colours), table.data()));
    require(static_cast<bool>(map), "giflib makes no palette");
    check(EGifPutImageDesc(gif_.get(), 0, 0, static_cast<int>(width_), static_cast<int>(height_), false, map.get()));
    for (std::int64_t row = 0; row < height_; ++row) {
      check(EGifPutLine(gif_.get(), picture.indices.data() + row * width_, static_cast<int>(width_)));
    }
    ++frames_;
  }

  FileBytes finish() override {
    require(frames_ > 0, "a clip has at least one frame");
    int error = 0;
    if (EGifCloseFile(gif_.release(), &error) != GIF_OK) {
      throw Error(ErrorKind::internal, fmt::format("giflib cannot write: {}", gif_message(error)));
    }
    return std::move(bytes_);
  }

 private:
  static int write(GifFileType* gif, const GifByteType* source, int count) {
    auto& bytes = static_cast<GifEncoder*>(gif->UserData)->bytes_;
    try {
      const auto* begin = reinterpret_cast<const std::byte*>(source);
      bytes.insert(bytes.end(), begin, begin + count);
    } catch (const std::bad_alloc&) {
      return 0;  // giflib sees that less was written than it gave
    }
    return count;
  }

  void check(int code) const {
    if (code != GIF_OK) {
      throw Error(ErrorKind::internal, fmt::format("giflib cannot write: {}", gif_message(gif_.get()->Error)));
    }
  }

  /// In whole 1/100 s, so that frame n is shown at the multiple that is nearest to its time.
  void put_delay() {
    const auto hundredths = [this](std::int64_t frame) {
      return std::llround(100.0 * static_cast<double>(frame) / rate_);
    };
    const GraphicsControlBlock control{.DisposalMode = DISPOSE_DO_NOT,
                                       .UserInputFlag = false,
                                       .DelayTime = static_cast<int>(hundredths(frames_ + 1) - hundredths(frames_)),
                                       .TransparentColor = NO_TRANSPARENT_COLOR};
    std::array<GifByteType, 4> block{};
    EGifGCBToExtension(&control, block.data());
    check(EGifPutExtension(gif_.get(), GRAPHICS_EXT_FUNC_CODE, static_cast<int>(block.size()), block.data()));
  }

  std::int64_t width_;
  std::int64_t height_;
  double rate_;
  FileBytes bytes_;
  UniqueHandle<GifWriterTraits> gif_;
  std::int64_t frames_ = 0;
};

}  // namespace

std::unique_ptr<ClipEncoder> make_gif_encoder(std::int64_t width, std::int64_t height, double frames_per_second) {
  constexpr std::int64_t longest_side = std::numeric_limits<std::uint16_t>::max();
  constexpr double longest_delay = 655.0;  // s
  require_input(frames_per_second <= 50.0 && frames_per_second * longest_delay >= 1.0,
                fmt::format("a GIF cannot be shown at {} frames a second: 50 is the fastest, one in {} s the slowest",
                            frames_per_second, longest_delay));
  require_input(width > 0 && height > 0 && width <= longest_side && height <= longest_side,
                fmt::format("a GIF cannot be {} x {} pixels: {} a side is the most", width, height, longest_side));
  return std::make_unique<GifEncoder>(width, height, frames_per_second);
}

}  // namespace ringworld
