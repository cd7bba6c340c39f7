#pragma once
/// @file  A short digest of a file's content, to detect that nodes see different files before the files are read.

#include <cstdint>
#include <filesystem>
#include <optional>

namespace ringworld {

/// Files up to this size are read whole.
inline constexpr std::int64_t whole_digest_bytes = std::int64_t{64} << 20;

/// A file on this machine.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::int64_t bytes = 0;

  bool operator==(const FileIdentity&) const = default;
};

/// Follows links. Nothing when there is no regular file of this name.
[[nodiscard]] std::optional<FileIdentity> identity_of(const std::filesystem::path& path);

/// Of the size and the content; not of name or times. Of a file larger than `whole_digest_bytes` 64 blocks of 1 MiB are
/// read, the first and the last and others evenly between: two checkpoints of different trainings differ in nearly
/// every block. Nothing when the file cannot be read.
[[nodiscard]] std::optional<std::uint64_t> digest_of_file(const std::filesystem::path& path);

}  // namespace ringworld
