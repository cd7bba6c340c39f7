#pragma once
/// @file  Memory that control groups leave to this process: a batch job's or a container's limit, not the node's.
///
/// Reads both hierarchies of Linux, version 1 and version 2 (kernel documentation, admin-guide/cgroup-v1/memory.rst and
/// cgroup-v2.rst). A limit holds for all groups below it, so every group from the process's own up to the mount counts.

#include <array>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <vector>

namespace ringworld {

inline constexpr std::int64_t no_memory_limit = std::numeric_limits<std::int64_t>::max();

/// Files of a group, which each version of the hierarchy names its own way.
struct GroupFiles {
  std::array<const char*, 2> limits;  ///< the lesser holds; the second may be empty
  const char* usage;
  const char* reclaimable;  ///< key in memory.stat: file pages that the kernel drops first, of the groups below as well
};

/// The groups that the process is in, found once.
class MemoryGroups {
 public:
  /// @param process  the folder of /proc that describes the process: its `cgroup` and `mountinfo` are read
  explicit MemoryGroups(const std::filesystem::path& process = "/proc/self");

  /// The least, over the groups, of a group's limit less what its processes hold and the kernel cannot take back;
  /// `no_memory_limit` without a limit, 0 where more is held than the limit allows.
  [[nodiscard]] std::int64_t available_bytes() const;

 private:
  struct Group {
    std::filesystem::path folder;
    const GroupFiles* files;
  };

  std::vector<Group> groups_;
};

}  // namespace ringworld
