#include "io/pending_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/error.hpp"
#include "core/unique_handle.hpp"

namespace ringworld {

namespace fs = std::filesystem;

namespace {

struct DescriptorTraits {
  using Handle = int;
  static Handle null() noexcept { return -1; }
  static void close(Handle descriptor) noexcept { ::close(descriptor); }
};
using Descriptor = UniqueHandle<DescriptorTraits>;

[[noreturn]] void throw_cannot_write(const fs::path& path, std::string_view reason) {
  throw Error(ErrorKind::bad_input, fmt::format("cannot write '{}': {}", path.string(), reason));
}

[[noreturn]] void throw_cannot_write(const fs::path& path, int error_number) {
  throw_cannot_write(path, std::generic_category().message(error_number));
}

fs::path directory_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

fs::path follow_link(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_symlink(path, ignored)) {
    return path;
  }
  auto followed = fs::canonical(path, ignored);
  return ignored ? path : followed;
}

constexpr std::string_view temporary_suffix = ".tmp-";  // followed by the process number

Descriptor open_for_writing(const fs::path& path, const fs::path& target) {
  constexpr mode_t permissions = 0666;  // less the user's umask
  Descriptor descriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, permissions));
  if (!descriptor) {
    throw_cannot_write(target, errno);
  }
  return descriptor;
}

}  // namespace

PendingFile::PendingFile(const fs::path& target) : target_(follow_link(target)) {
  std::error_code ignored;
  if (target_.filename().empty() || fs::is_directory(target_, ignored)) {
    throw_cannot_write(target, "it is a directory");
  }
  // Renaming over a device would replace the device.
  if (fs::exists(target_, ignored) && !fs::is_regular_file(target_, ignored)) {
    throw_cannot_write(target, "it is not a regular file");
  }
  if (const auto directory = directory_of(target_); !fs::is_directory(directory, ignored)) {
    throw_cannot_write(target, fmt::format("there is no directory '{}'", directory.string()));
  }
  auto temporary = target_;
  temporary += fmt::format("{}{}", temporary_suffix, ::getpid());
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

void PendingFile::publish() {
  require(!temporary_.empty(), "a pending file is published once");
  // Without the fsync a machine that loses power may keep the rename and lose the content.
  const Descriptor file(::open(temporary_.c_str(), O_RDWR | O_CLOEXEC));
  if (!file || ::fsync(file.get()) != 0 || ::rename(temporary_.c_str(), target_.c_str()) != 0) {
    throw_cannot_write(target_, errno);
  }
  temporary_.clear();
  // Some file systems cannot sync a directory; the file itself is whole in either case.
  if (const Descriptor directory(::open(directory_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
      directory) {
    static_cast<void>(::fsync(directory.get()));
  }
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
  const auto followed = follow_link(target);
  const auto prefix = followed.filename().string() + std::string(temporary_suffix);
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
