#include "tensors/file_part.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "core/error.hpp"
#include "tensors/weight_files.hpp"

namespace ringworld {

Descriptor open_weights_file(const std::filesystem::path& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) {
    refuse_weights(path, std::generic_category().message(errno));
  }
  return file;
}

void read_part(const Descriptor& file, std::int64_t place, std::span<std::byte> bytes, const std::string& label) {
  while (!bytes.empty()) {
    const ssize_t got = ::pread(file.get(), bytes.data(), bytes.size(), place);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    require_input(got > 0,
                  fmt::format("{} cannot be read: {}", label,
                              got == 0 ? "the file has become shorter" : std::generic_category().message(errno)));
    bytes = bytes.subspan(static_cast<std::size_t>(got));
    place += got;
  }
}

}  // namespace ringworld
