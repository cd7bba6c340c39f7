#include "media/jpeg.hpp"

#include <fmt/format.h>

// libjpeg's header needs what <cstdio> declares.
#include <cstdio>

#include <jerror.h>
#include <jpeglib.h>

#include <array>
#include <csetjmp>
#include <cstring>

#include "core/error.hpp"

namespace ringworld {
namespace {

/// libjpeg reports an error by a call that must not return: it jumps out of the functions that call setjmp, which
/// therefore hold nothing that has a destructor.
struct JpegState {
  jpeg_error_mgr errors{};  // the first member: libjpeg knows its address only
  jpeg_decompress_struct jpeg{};
  std::jmp_buf jump{};
  std::array<char, JMSG_LENGTH_MAX> message{};
  std::array<JSAMPROW, 1> row{};
};

JpegState& state_of(j_common_ptr jpeg) { return *static_cast<JpegState*>(jpeg->client_data); }

[[noreturn]] void on_error(j_common_ptr jpeg) {
  JpegState& state = state_of(jpeg);
  jpeg->err->format_message(jpeg, state.message.data());
  std::longjmp(state.jump, 1);
}

/// A warning of libjpeg's means that pixels are invented, but for bytes between segments that nobody needs.
void on_message(j_common_ptr jpeg, int level) {
  if (level < 0 && jpeg->err->msg_code == JWRN_JPEG_EOF) {
    std::strcpy(state_of(jpeg).message.data(), "it ends too early");
    std::longjmp(state_of(jpeg).jump, 1);
  }
  if (level < 0 && jpeg->err->msg_code != JWRN_EXTRANEOUS_DATA && jpeg->err->msg_code != JWRN_ADOBE_XFORM &&
      jpeg->err->msg_code != JWRN_JFIF_MAJOR) {
    on_error(jpeg);
  }
}

void be_silent(j_common_ptr /*jpeg*/) {}

class JpegReader {
 public:
  JpegReader() {
    state.jpeg.err = jpeg_std_error(&state.errors);
    state.errors.error_exit = on_error;
    state.errors.emit_message = on_message;
    state.errors.output_message = be_silent;
    state.jpeg.client_data = &state;
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&state.jpeg); }

  JpegState state;
};

/// Reads what stands before the pixels. False when libjpeg met an error.
bool read_header(JpegState& state, const std::uint8_t* bytes, std::size_t count) {
  if (setjmp(state.jump) != 0) {
    return false;
  }
  jpeg_create_decompress(&state.jpeg);
  jpeg_mem_src(&state.jpeg, bytes, static_cast<unsigned long>(count));
  jpeg_read_header(&state.jpeg, TRUE);
  const bool is_cmyk = state.jpeg.jpeg_color_space == JCS_CMYK || state.jpeg.jpeg_color_space == JCS_YCCK;
  state.jpeg.out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
  jpeg_calc_output_dimensions(&state.jpeg);
  return true;
}

bool read_rows(JpegState& state, std::uint8_t* pixels) {
  if (setjmp(state.jump) != 0) {
    return false;
  }
  jpeg_start_decompress(&state.jpeg);
  const std::size_t row_bytes =
      static_cast<std::size_t>(state.jpeg.output_width) * static_cast<std::size_t>(state.jpeg.output_components);
  while (state.jpeg.output_scanline < state.jpeg.output_height) {
    state.row[0] = pixels + row_bytes * state.jpeg.output_scanline;
    jpeg_read_scanlines(&state.jpeg, state.row.data(), 1);
  }
  jpeg_finish_decompress(&state.jpeg);
  return true;
}

/// a * b / 255, rounded, as Pillow does it.
std::int32_t multiply_255(std::int32_t a, std::int32_t b) {
  const std::int32_t product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

/// Source: Pillow, src/libImaging/Convert.c (cmyk2rgb), for samples that are stored inverted.
std::vector<std::uint8_t> rgb_of_inverted_cmyk(const std::vector<std::uint8_t>& cmyk) {
  std::vector<std::uint8_t> rgb(cmyk.size() / 4 * 3);
  for (std::size_t pixel = 0; pixel < rgb.size() / 3; ++pixel) {
    const std::int32_t light = cmyk[4 * pixel + 3];
    for (std::size_t channel = 0; channel < 3; ++channel) {
      const std::int32_t ink = 255 - cmyk[4 * pixel + channel];
      rgb[3 * pixel + channel] = static_cast<std::uint8_t>(light - multiply_255(ink, light));
    }
  }
  return rgb;
}

}  // namespace

bool is_jpeg(std::span<const std::byte> bytes) {
  constexpr std::array<std::uint8_t, 3> signature{0xff, 0xd8, 0xff};
  return bytes.size() >= signature.size() && std::memcmp(bytes.data(), signature.data(), signature.size()) == 0;
}

Image read_jpeg(std::span<const std::byte> bytes, const std::string& name) {
  JpegReader reader;
  JpegState& state = reader.state;
  const auto require_step = [&](bool is_done) {
    require_input(is_done, fmt::format("{} is a damaged JPEG: {}", name, state.message.data()));
  };
  require_step(read_header(state, octets(bytes), bytes.size()));
  Image image{.width = state.jpeg.output_width, .height = state.jpeg.output_height, .pixels = {}};
  require_image_size(image.width, image.height, name);
  const std::int64_t channels = state.jpeg.out_color_space == JCS_CMYK ? 4 : 3;
  require_input(
      state.jpeg.output_components == channels,
      fmt::format("{} is a JPEG of {} channels: grey, RGB and CMYK are read", name, state.jpeg.num_components));
  image.pixels.resize(static_cast<std::size_t>(image.width * image.height * channels));
  require_step(read_rows(state, image.pixels.data()));
  if (channels == 4) {
    image.pixels = rgb_of_inverted_cmyk(image.pixels);
  }
  return image;
}

}  // namespace ringworld
