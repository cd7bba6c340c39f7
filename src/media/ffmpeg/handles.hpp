#pragma once
/// @file  The handles of FFmpeg's libraries, and their error codes.

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/error.h>
#include <libavutil/frame.h>
#include <libswscale/swscale.h>
}

#include <array>
#include <string>

#include "core/unique_handle.hpp"

namespace ringworld {

/// A handle whose library frees it through a pointer to the pointer.
template <class T, void (*free_handle)(T**)>
struct LibavTraits {
  using Handle = T*;
  static Handle null() noexcept { return nullptr; }
  static void close(Handle handle) noexcept { free_handle(&handle); }
};

struct ScalerTraits {
  using Handle = SwsContext*;
  static Handle null() noexcept { return nullptr; }
  static void close(Handle handle) noexcept { sws_freeContext(handle); }
};

struct OutputTraits {
  using Handle = AVFormatContext*;
  static Handle null() noexcept { return nullptr; }
  static void close(Handle handle) noexcept {
    if (handle->pb != nullptr) {
      std::uint8_t* bytes = nullptr;
      avio_close_dyn_buf(handle->pb, &bytes);
      av_free(bytes);
    }
    avformat_free_context(handle);
  }
};

using VideoInput = UniqueHandle<LibavTraits<AVFormatContext, avformat_close_input>>;
using VideoOutput = UniqueHandle<OutputTraits>;
using VideoCodec = UniqueHandle<LibavTraits<AVCodecContext, avcodec_free_context>>;
using VideoFrame = UniqueHandle<LibavTraits<AVFrame, av_frame_free>>;
using VideoPacket = UniqueHandle<LibavTraits<AVPacket, av_packet_free>>;
using Scaler = UniqueHandle<ScalerTraits>;

[[nodiscard]] inline std::string libav_message(int code) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  av_strerror(code, text.data(), text.size());
  return text.data();
}

/// The libraries print to stderr by themselves; what they say comes as a code as well.
inline void silence_libav() { av_log_set_level(AV_LOG_QUIET); }

}  // namespace ringworld
