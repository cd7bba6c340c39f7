#include "io/pending_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/error.hpp"
#include "io/descriptor.hpp"
#include "io/output_lock.hpp"
#include "io/output_path.hpp"

namespace ringworld {

namespace fs = std::filesystem;

namespace {

/// A temporary file's path as far as the number of its process, which has up to 7 digits on Linux.
std::string temporary_stem(const fs::path& target) {
  constexpr std::string_view number = "0000000";
  const std::string longest = beside(target, "", fmt::format(".tmp-{}", number)).string();
  return longest.substr(0, longest.size() - number.size());
}

Descriptor open_for_writing(const fs::path& path, const fs::path& target) {
  constexpr mode_t permissions = 0666;  // less the user's umask
  Descriptor descriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, permissions));
  if (!descriptor) {
    throw_cannot_write(target, errno);
  }
  return descriptor;
}

}  // namespace

PendingFile::PendingFile(const fs::path& target) : target_(writable_target(target)) {
  auto temporary = fs::path(temporary_stem(target_) + std::to_string(::getpid()));
  const auto created = open_for_writing(temporary, target);
  temporary_ = std::move(temporary);
}

PendingFile::PendingFile(PendingFile&& other) noexcept
    : target_(std::move(other.target_)), temporary_(std::exchange(other.temporary_, {})) {}

PendingFile& PendingFile::operator=(PendingFile&& other) noexcept {
  if (this != &other) {
    discard();
    target_ = std::move(other.target_);
    temporary_ = std::exchange(other.temporary_, {});
  }
  return *this;
}

PendingFile::~PendingFile() { discard(); }

void PendingFile::discard() noexcept {
  if (!temporary_.empty()) {
    // Also a library that still holds the file open gives its blocks back.
    static_cast<void>(::truncate(temporary_.c_str(), 0));
    ::unlink(temporary_.c_str());
  }
}

void PendingFile::write(std::span<const std::byte> content) const {
  const auto descriptor = open_for_writing(temporary_, target_);
  while (!content.empty()) {
    const auto written = ::write(descriptor.get(), content.data(), content.size());
    if (written < 0 && errno != EINTR) {
      throw_cannot_write(target_, errno);
    }
    if (written > 0) {
      content = content.subspan(static_cast<std::size_t>(written));
    }
  }
}

void PendingFile::reserve(std::int64_t bytes) const {
  const Descriptor descriptor(::open(temporary_.c_str(), O_WRONLY | O_CLOEXEC));
  if (!descriptor) {
    throw_cannot_write(target_, errno);
  }
  rlimit largest{};
  if (::getrlimit(RLIMIT_FSIZE, &largest) == 0 && static_cast<rlim_t>(bytes) > largest.rlim_cur) {
    throw_cannot_write(target_, EFBIG);
  }
  int error = 0;
  do {
    error = ::fallocate(descriptor.get(), FALLOC_FL_KEEP_SIZE, 0, bytes) == 0 ? 0 : errno;
  } while (error == EINTR);
  const bool cannot_reserve = error == EOPNOTSUPP || error == ENOSYS || error == EINVAL;
  if (error != 0 && !cannot_reserve) {
    throw_cannot_write(target_, error);
  }
  // If the file system cannot reserve space, the space that is free now is the best estimate.
  struct stat file{};
  struct statvfs system{};
  if (cannot_reserve && ::fstat(descriptor.get(), &file) == 0 && ::fstatvfs(descriptor.get(), &system) == 0) {
    const auto held = static_cast<std::uint64_t>(file.st_blocks) * 512;
    const auto free = static_cast<std::uint64_t>(system.f_bavail) * system.f_frsize;
    if (static_cast<std::uint64_t>(bytes) > held + free) {
      throw_cannot_write(target_, ENOSPC);
    }
  }
}

void PendingFile::publish() {
  require(!temporary_.empty(), "a pending file is published once");
  // Without the fsync a machine that loses power may keep the rename and lose the content.
  const Descriptor file(::open(temporary_.c_str(), O_RDWR | O_CLOEXEC));
  struct stat written{};
  // A truncation to its own size gives back what was reserved beyond its end.
  if (!file || ::fstat(file.get(), &written) != 0 || ::ftruncate(file.get(), written.st_size) != 0 ||
      ::fsync(file.get()) != 0 || ::rename(temporary_.c_str(), target_.c_str()) != 0) {
    throw_cannot_write(target_, errno);
  }
  temporary_.clear();
  // Some file systems cannot sync a directory; the file itself is whole in either case.
  if (const Descriptor directory(::open(directory_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      directory) {
    static_cast<void>(::fsync(directory.get()));
  }
}

void replace_with_copy(const fs::path& from, const fs::path& target) {
  const auto lock = OutputLock::acquire(target);
  PendingFile pending(target);
  std::error_code failed;
  fs::copy_file(from, pending.temporary(), fs::copy_options::overwrite_existing, failed);
  if (failed) {
    throw_cannot_write(target, failed.message());
  }
  pending.publish();
}

std::optional<fs::path> back_up_file(const fs::path& path) {
  if (!fs::exists(path)) {
    return std::nullopt;
  }
  for (int number = 1;; ++number) {
    auto backup = path;
    backup += fmt::format(".{}~", number);
    if (fs::exists(fs::symlink_status(backup))) {
      continue;
    }
    std::error_code failed;
    fs::rename(path, backup, failed);
    if (failed) {
      throw_cannot_write(path, fmt::format("the existing file cannot be renamed: {}", failed.message()));
    }
    return backup;
  }
}

void remove_stale_temporaries(const fs::path& target) {
  const auto followed = follow_links(target);
  const auto prefix = fs::path(temporary_stem(followed)).filename().string();
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory_of(followed), ignored)) {
    const auto name = entry.path().filename().string();
    const bool is_temporary = name.starts_with(prefix) && name.size() > prefix.size() &&
                              name.find_first_not_of("0123456789", prefix.size()) == std::string::npos;
    if (is_temporary) {
      fs::remove(entry.path(), ignored);
    }
  }
}

}  // namespace ringworld
