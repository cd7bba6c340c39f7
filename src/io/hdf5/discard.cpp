#include "io/hdf5/discard.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstring>
#include <string>
#include <vector>

#include "io/descriptor.hpp"
#include "io/output_path.hpp"

namespace ringworld::hdf5 {
namespace {

bool leads_to(int descriptor, const struct stat& file) {
  struct stat open{};
  return ::fstat(descriptor, &open) == 0 && open.st_dev == file.st_dev && open.st_ino == file.st_ino;
}

/// The open descriptors of this process.
std::vector<int> open_descriptors() {
  std::vector<int> descriptors;
  if (DIR* const folder = ::opendir("/proc/self/fd")) {
    while (const dirent* const entry = ::readdir(folder)) {
      int number = 0;
      const char* const end = entry->d_name + std::strlen(entry->d_name);
      if (std::from_chars(entry->d_name, end, number).ptr == end) {
        descriptors.push_back(number);
      }
    }
    ::closedir(folder);
  }
  return descriptors;
}

/// Turns every descriptor on the file to a file in memory, whichever library opened it.
void divert_to_memory(const std::filesystem::path& path) noexcept {
  struct stat file{};
  if (::stat(path.c_str(), &file) != 0) {
    return;
  }
  const Descriptor memory(::memfd_create("ringworld-discarded", MFD_CLOEXEC));
  if (!memory) {
    return;
  }
  for (const int descriptor : open_descriptors()) {
    if (leads_to(descriptor, file)) {
      static_cast<void>(::dup3(memory.get(), descriptor, O_CLOEXEC));
    }
  }
}

/// Lifts the limit on file sizes as far as this process may: it would hold for files in memory too.
class UnlimitedFiles {
 public:
  UnlimitedFiles() noexcept {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit lifted{.rlim_cur = before_.rlim_max, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &lifted);
  }
  UnlimitedFiles(const UnlimitedFiles&) = delete;
  UnlimitedFiles& operator=(const UnlimitedFiles&) = delete;
  ~UnlimitedFiles() { ::setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace

void discard(File& file, const std::filesystem::path& path) noexcept {
  if (file) {
    const UnlimitedFiles unlimited;
    divert_to_memory(path);
    file.reset();
  }
}

void close_written(File& file, const std::filesystem::path& path, const std::filesystem::path& target) {
  if (H5Fflush(file.get(), H5F_SCOPE_GLOBAL) < 0 || H5Fclose(file.get()) < 0) {
    const std::string reason = last_message();
    discard(file, path);
    throw_cannot_write(target, reason);
  }
  static_cast<void>(file.release());
}

}  // namespace ringworld::hdf5
