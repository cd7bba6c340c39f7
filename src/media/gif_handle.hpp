#pragma once
/// @file  giflib's handles and error codes.

#include <gif_lib.h>

#include "core/unique_handle.hpp"

namespace ringworld {

struct GifReaderTraits {
  using Handle = GifFileType*;
  static Handle null() noexcept { return nullptr; }
  static void close(Handle handle) noexcept { DGifCloseFile(handle, nullptr); }
};

struct GifWriterTraits {
  using Handle = GifFileType*;
  static Handle null() noexcept { return nullptr; }
  static void close(Handle handle) noexcept { EGifCloseFile(handle, nullptr); }
};

struct GifColoursTraits {
  using Handle = ColorMapObject*;
  static Handle null() noexcept { return nullptr; }
  static void close(Handle handle) noexcept { GifFreeMapObject(handle); }
};

[[nodiscard]] inline const char* gif_message(int code) {
  const char* message = GifErrorString(code);
  return message == nullptr ? "unknown error" : message;
}

}  // namespace ringworld
