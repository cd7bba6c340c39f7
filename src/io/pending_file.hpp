#pragma once
/// @file  A file that appears whole or not at all: written under a temporary name beside its target, then renamed.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>

namespace ringworld {

/// A temporary file `<target>.tmp-<pid>` that takes the target's place when it is published.
///
/// A process that is killed leaves at worst the temporary file; the target is always an old or a new whole file.
/// A target that is a symbolic link is followed, so that the link stays.
class PendingFile {
 public:
  /// Creates the temporary file, empty.
  /// @throws ringworld::Error (bad_input) that names `target` when it is a directory or a device, when its directory
  /// is missing, or when the directory is not writable.
  explicit PendingFile(const std::filesystem::path& target);
  PendingFile(PendingFile&& other) noexcept;
  PendingFile& operator=(PendingFile&& other) noexcept;
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;
  /// Removes the temporary file unless it was published.
  ~PendingFile();

  [[nodiscard]] const std::filesystem::path& temporary() const noexcept { return temporary_; }
  [[nodiscard]] const std::filesystem::path& target() const noexcept { return target_; }

  /// Replaces the content of the temporary file. Throws Error (bad_input) when the disk is full, and the like.
  void write(std::span<const std::byte> content) const;

  /// Makes sure that the disk has room for the first `bytes` of the temporary file before a library writes them, which
  /// would find out too late to end in order. Its size stays; a truncation takes the reservation away.
  /// @throws ringworld::Error (bad_input) when the disk, a quota or a limit on file sizes leaves less.
  void reserve(std::int64_t bytes) const;

  /// Brings the temporary file to disk and renames it over the target. Once only.
  void publish();

 private:
  void discard() noexcept;

  std::filesystem::path target_;
  std::filesystem::path temporary_;  ///< empty once published or moved from
};

/// Puts a copy of a file in the place of `target`, whole or not at all.
/// @throws ringworld::Error (bad_input) that names `target` when another job writes it, or when it cannot be written.
void replace_with_copy(const std::filesystem::path& from, const std::filesystem::path& target);

/// Renames an existing file to the first free of `<path>.1~`, `<path>.2~`, ...; returns that name, or nothing when
/// there was no file.
[[nodiscard]] std::optional<std::filesystem::path> back_up_file(const std::filesystem::path& path);

/// Removes the temporary files that killed processes left beside `target`. Only for its sole writer.
void remove_stale_temporaries(const std::filesystem::path& target);

}  // namespace ringworld
