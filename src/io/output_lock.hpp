#pragma once
/// @file  One writer a file: a lock beside an output, which tells a second job who holds it.
///
///   <folder>/<name>                  the output, old or new, always whole
///   <folder>/.<name>.lock            who writes it: host, process, program, job and since when; gone when nobody does
///
/// The kernel drops the lock of a process that ends in whatever way, so that a killed job is resumed at once. On a file
/// system without locks the lock's file stands for it, and counts until its process is known to be dead.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace ringworld {

/// Who holds a lock, as its file says.
struct LockHolder {
  std::string host;
  std::int64_t pid = 0;
  std::uint64_t started = 0;  ///< when the process started, in clock ticks since the boot: tells it from a later one
  std::string job;            ///< number that the batch system gave; empty without one
  std::string since;          ///< UTC, as in 2026-01-31T23:59:59Z
  std::string program;        ///< and what it was asked to do

  [[nodiscard]] static LockHolder this_process();
  [[nodiscard]] std::string to_text() const;
  /// Nothing when the text is not of this form, a file that is still being written included.
  [[nodiscard]] static std::optional<LockHolder> from_text(std::string_view text);
  /// For people: "process 1234 on node7 (ringworld train ...), job 4711, since ...".
  [[nodiscard]] std::string describe() const;
};

enum class LockKind : std::uint8_t {
  kernel,  ///< flock: ends with the process
  file,    ///< the lock's file alone: for file systems that have no locks
};

/// A lock that lives as long as its last copy in this process.
class OutputLock {
 public:
  OutputLock() = default;  ///< holds no lock
  /// Takes the lock of an output, which need not exist. Writers of one file in one process share its lock.
  ///
  /// A lock of a process of this host that is dead, or of an earlier run of the same job of the batch system, is taken
  /// over. HDF5_USE_FILE_LOCKING=FALSE, by which users say that a file system's locks do not work, is believed: the
  /// kind is then `file`.
  /// @throws ringworld::Error (bad_input) that names `path` and the holder when another process writes it, or says why
  /// the path cannot be written.
  [[nodiscard]] static OutputLock acquire(const std::filesystem::path& path);
  /// The same with a lock of this kind.
  [[nodiscard]] static OutputLock acquire(const std::filesystem::path& path, LockKind kind);

 private:
  struct Held;
  explicit OutputLock(std::shared_ptr<Held> held) : held_(std::move(held)) {}

  std::shared_ptr<Held> held_;
};

/// The file that stands for the lock of an output.
[[nodiscard]] std::filesystem::path lock_path(const std::filesystem::path& output);

}  // namespace ringworld
