#include "media/png.hpp"

#include <fmt/format.h>
#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>

#include "core/error.hpp"

namespace ringworld {
namespace {

constexpr std::size_t png_signature_bytes = 8;

/// What libpng's functions work on. libpng reports an error by a jump out of them, which calls no destructor; so
/// whatever has one lives here, outside of the functions that call setjmp.
struct PngState {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::array<char, 160> message{};
  std::span<const std::byte> input;
  std::size_t position = 0;
  FileBytes output;
  std::vector<png_bytep> rows;
};

void remember(PngState& state, const char* message) {
  std::strncpy(state.message.data(), message, state.message.size() - 1);
}

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  remember(*static_cast<PngState*>(png_get_error_ptr(png)), message);
  png_longjmp(png, 1);
}

void on_warning(png_structp /*png*/, png_const_charp /*message*/) {}

void read_bytes(png_structp png, png_bytep target, std::size_t count) {
  auto& state = *static_cast<PngState*>(png_get_io_ptr(png));
  if (count > state.input.size() - state.position) {
    png_error(png, "it ends too early");
  }
  std::memcpy(target, state.input.data() + state.position, count);
  state.position += count;
}

void write_bytes(png_structp png, png_bytep source, std::size_t count) {
  auto& state = *static_cast<PngState*>(png_get_io_ptr(png));
  bool has_room = true;
  try {
    const auto* begin = reinterpret_cast<const std::byte*>(source);
    state.output.insert(state.output.end(), begin, begin + count);
  } catch (const std::bad_alloc&) {
    has_room = false;  // an exception must not pass through libpng
  }
  if (!has_room) {
    png_error(png, "out of memory");
  }
}

void flush_bytes(png_structp /*png*/) {}

/// Frees what libpng holds.
class PngReader {
 public:
  explicit PngReader(std::span<const std::byte> input) {
    state.input = input;
    state.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &state, on_error, on_warning);
    state.info = state.png == nullptr ? nullptr : png_create_info_struct(state.png);
    require(state.info != nullptr, "libpng cannot be started");
    png_set_read_fn(state.png, &state, read_bytes);
  }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
  ~PngReader() { png_destroy_read_struct(&state.png, &state.info, nullptr); }

  PngState state;
};

class PngWriter {
 public:
  PngWriter() {
    state.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &state, on_error, on_warning);
    state.info = state.png == nullptr ? nullptr : png_create_info_struct(state.png);
    require(state.info != nullptr, "libpng cannot be started");
    png_set_write_fn(state.png, &state, write_bytes, flush_bytes);
  }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;
  ~PngWriter() { png_destroy_write_struct(&state.png, &state.info); }

  PngState state;
};

/// Reads what stands before the pixels. False when libpng met an error.
bool read_header(PngState& state) {
  if (setjmp(png_jmpbuf(state.png)) != 0) {
    return false;
  }
  png_read_info(state.png, state.info);
  return true;
}

/// Asks libpng for RGB, and checks that this is what it will give.
bool ask_for_rgb(PngState& state) {
  if (setjmp(png_jmpbuf(state.png)) != 0) {
    return false;
  }
  png_set_strip_16(state.png);
  png_set_palette_to_rgb(state.png);
  png_set_expand_gray_1_2_4_to_8(state.png);
  png_set_gray_to_rgb(state.png);
  png_set_strip_alpha(state.png);
  png_set_interlace_handling(state.png);
  png_read_update_info(state.png, state.info);
  if (png_get_rowbytes(state.png, state.info) != std::size_t{3} * png_get_image_width(state.png, state.info)) {
    png_error(state.png, "its pixels cannot be made RGB");
  }
  return true;
}

bool read_rows(PngState& state) {
  if (setjmp(png_jmpbuf(state.png)) != 0) {
    return false;
  }
  png_read_image(state.png, state.rows.data());
  return true;
}

bool write_file(PngState& state, png_uint_32 width, png_uint_32 height) {
  if (setjmp(png_jmpbuf(state.png)) != 0) {
    return false;
  }
  png_set_IHDR(state.png, state.info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(state.png, state.info);
  png_write_image(state.png, state.rows.data());
  png_write_end(state.png, state.info);
  return true;
}

std::vector<png_bytep> rows_of(std::uint8_t* pixels, std::int64_t width, std::int64_t height) {
  std::vector<png_bytep> rows(static_cast<std::size_t>(height));
  for (std::int64_t row = 0; row < height; ++row) {
    rows[static_cast<std::size_t>(row)] = pixels + 3 * width * row;
  }
  return rows;
}

}  // namespace

bool is_png(std::span<const std::byte> bytes) {
  return bytes.size() >= png_signature_bytes && png_sig_cmp(octets(bytes), 0, png_signature_bytes) == 0;
}

Image read_png(std::span<const std::byte> bytes, const std::string& name) {
  PngReader reader(bytes);
  PngState& state = reader.state;
  const auto require_step = [&](bool is_done) {
    require_input(is_done, fmt::format("{} is a damaged PNG: {}", name, state.message.data()));
  };
  require_step(read_header(state));
  Image image =
      make_image(png_get_image_width(state.png, state.info), png_get_image_height(state.png, state.info), name);
  require_step(ask_for_rgb(state));
  state.rows = rows_of(image.pixels.data(), image.width, image.height);
  require_step(read_rows(state));
  return image;
}

FileBytes encode_png(const Image& image) {
  PngWriter writer;
  PngState& state = writer.state;
  std::vector<std::uint8_t> pixels = image.pixels;  // libpng's rows are not const
  state.rows = rows_of(pixels.data(), image.width, image.height);
  if (!write_file(state, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height))) {
    throw Error(ErrorKind::internal, fmt::format("libpng cannot write the picture: {}", state.message.data()));
  }
  return std::move(state.output);
}

}  // namespace ringworld
