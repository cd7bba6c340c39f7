#pragma once
/// @file  The handles of FFmpeg's libraries, and their error codes.

#include <array>
#include <string>

#include "core/unique_handle.hpp"
#include "media/ffmpeg/libav.hpp"

namespace ringworld {

/// A handle whose library frees it through a pointer to the pointer.
template <class T, void (*Libav::*free_handle)(T**)>
struct LibavTraits {
  using Handle = T*;
  static Handle null() noexcept { return nullptr; }
  static void close(Handle handle) noexcept { (libav().*free_handle)(&handle); }
};

struct ScalerTraits {
  using Handle = SwsContext*;
  static Handle null() noexcept { return nullptr; }
  static void close(Handle handle) noexcept { libav().sws_freeContext(handle); }
};

struct OutputTraits {
  using Handle = AVFormatContext*;
  static Handle null() noexcept { return nullptr; }
  static void close(Handle handle) noexcept {
    if (handle->pb != nullptr) {
      std::uint8_t* bytes = nullptr;
      libav().avio_close_dyn_buf(handle->pb, &bytes);
      libav().av_free(bytes);
    }
    libav().avformat_free_context(handle);
  }
};

using VideoInput = UniqueHandle<LibavTraits<AVFormatContext, &Libav::avformat_close_input>>;
using VideoOutput = UniqueHandle<OutputTraits>;
using VideoCodec = UniqueHandle<LibavTraits<AVCodecContext, &Libav::avcodec_free_context>>;
using VideoFrame = UniqueHandle<LibavTraits<AVFrame, &Libav::av_frame_free>>;
using VideoPacket = UniqueHandle<LibavTraits<AVPacket, &Libav::av_packet_free>>;
using Scaler = UniqueHandle<ScalerTraits>;

[[nodiscard]] inline std::string libav_message(int code) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  libav().av_strerror(code, text.data(), text.size());
  return text.data();
}

}  // namespace ringworld
