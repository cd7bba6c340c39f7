#include "core/standard_streams.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>  // signal
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>

namespace ringworld {
namespace {

/// The destination of a standard stream.
struct Sink {
  int descriptor = -1;
  int error = 0;  ///< of the first write that failed
};

/// One a descriptor: the C library's streams point to them until the process ends.
std::array<Sink, 3>& sinks() {
  static std::array<Sink, 3> all{{{.descriptor = 0}, {.descriptor = 1}, {.descriptor = 2}}};
  return all;
}

/// cookie_write_function_t: claims to have written everything, because fmt and others throw when a stream fails.
ssize_t write_or_drop(void* cookie, const char* bytes, std::size_t count) {
  constexpr int patience = 1000;  // ms, for a reader that does not keep up with a pipe that does not block
  auto& sink = *static_cast<Sink*>(cookie);
  for (std::size_t done = 0; done < count;) {
    const ssize_t written = ::write(sink.descriptor, bytes + done, count - done);
    if (written >= 0) {
      done += static_cast<std::size_t>(written);
      continue;
    }
    const int error = errno;
    pollfd writable{.fd = sink.descriptor, .events = POLLOUT, .revents = 0};
    if (error == EINTR || ((error == EAGAIN || error == EWOULDBLOCK) && ::poll(&writable, 1, patience) == 1)) {
      continue;
    }
    sink.error = sink.error == 0 ? error : sink.error;
    break;
  }
  return static_cast<ssize_t>(count);
}

void open_what_is_closed() {
  for (const Sink& sink : sinks()) {
    if (::fcntl(sink.descriptor, F_GETFD) < 0 && errno == EBADF) {
      // The lowest free number is given out, which is this one, as those below it are open.
      static_cast<void>(::open("/dev/null", sink.descriptor == STDIN_FILENO ? O_RDONLY : O_WRONLY));
    }
  }
}

#ifdef __GLIBC__
std::FILE* stream_to(Sink& sink, int buffering) {
  std::FILE* const stream =
      ::fopencookie(&sink, "w", {.read = nullptr, .write = write_or_drop, .seek = nullptr, .close = nullptr});
  if (stream != nullptr) {
    std::setvbuf(stream, nullptr, buffering, BUFSIZ);
  }
  return stream;
}
#endif

}  // namespace

void outlive_standard_streams() {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);
  open_what_is_closed();
#ifdef __GLIBC__  // which lets a program give its standard streams new values
  if (std::FILE* const output = stream_to(sinks()[1], ::isatty(STDOUT_FILENO) == 1 ? _IOLBF : _IOFBF)) {
    stdout = output;
  }
  if (std::FILE* const errors = stream_to(sinks()[2], _IONBF)) {
    stderr = errors;
  }
#endif
}

int standard_output_error() { return std::fflush(stdout) != 0 ? errno : sinks()[1].error; }

}  // namespace ringworld
