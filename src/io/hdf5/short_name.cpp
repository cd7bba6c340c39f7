#include "io/hdf5/short_name.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <system_error>

#include "core/error.hpp"

namespace ringworld::hdf5 {

ShortName::ShortName(const std::filesystem::path& path) : name_(path) {
  constexpr std::size_t longest_safe = 128;  // bytes
  std::error_code failed;
  const auto absolute = std::filesystem::absolute(path, failed);  // libraries make it so, which adds to its length
  if (absolute.native().size() <= longest_safe) {
    return;
  }
  descriptor_ = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!descriptor_) {
    throw Error(ErrorKind::bad_input,
                fmt::format("cannot read '{}': {}", path.string(), std::generic_category().message(errno)));
  }
  name_ = fmt::format("/proc/self/fd/{}", descriptor_.get());
}

}  // namespace ringworld::hdf5
