#include "media/ffmpeg/libav.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <string>

#include "core/error.hpp"
#include "media/video.hpp"

namespace ringworld {
namespace {

/// A library by its name with version, `libavutil.so.57`, where the system looks for libraries, and where the build
/// found it.
class Library {
 public:
  Library(const char* stem, int version) : file_(fmt::format("lib{}.so.{}", stem, version)) {
    handle_ = ::dlopen(file_.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) {
      const std::string said = ::dlerror();
      handle_ = ::dlopen((std::string(RINGWORLD_FFMPEG_FOLDER) + "/" + file_).c_str(), RTLD_NOW | RTLD_LOCAL);
      require_input(
          handle_ != nullptr,
          fmt::format("video needs FFmpeg, and this machine has not the library that the program was built with "
                      "({}): install it, or use PNG, JPEG, GIF, or a folder of frames",
                      said));
    }
  }

  template <class Function>
  void find(Function& function, const char* name) const {
    function = reinterpret_cast<Function>(::dlsym(handle_, name));
    require_input(function != nullptr,
                  fmt::format("'{}' has no {}: install the FFmpeg that this program was built with", file_, name));
  }

 private:
  std::string file_;
  void* handle_;  // never closed: its libraries leave threads and handlers behind
};

Libav load() {
  const Library avutil("avutil", LIBAVUTIL_VERSION_MAJOR);
  const Library avcodec("avcodec", LIBAVCODEC_VERSION_MAJOR);
  const Library avformat("avformat", LIBAVFORMAT_VERSION_MAJOR);
  const Library swscale("swscale", LIBSWSCALE_VERSION_MAJOR);
  Libav functions{};
#define RINGWORLD_FIND(library, name) library.find(functions.name, #name);
  RINGWORLD_LIBAV_FUNCTIONS(RINGWORLD_FIND)
#undef RINGWORLD_FIND
  functions.av_log_set_level(AV_LOG_QUIET);
  return functions;
}

}  // namespace

const Libav& libav() {
  static const Libav functions = load();
  return functions;
}

void require_video(std::string_view what) {
  try {
    static_cast<void>(libav());
  } catch (const Error& error) {
    throw Error(ErrorKind::bad_input, fmt::format("{}: {}", what, error.what()));
  }
}

}  // namespace ringworld
