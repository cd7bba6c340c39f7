#include "device/host/memory_limit.hpp"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace ringworld {

namespace fs = std::filesystem;

namespace {

constexpr GroupFiles version_1{{"memory.limit_in_bytes", ""}, "memory.usage_in_bytes", "total_inactive_file"};
constexpr GroupFiles version_2{{"memory.max", "memory.high"}, "memory.current", "inactive_file"};

/// A mounted hierarchy that may limit memory.
struct Mount {
  fs::path root;   ///< the group that is seen at `point`, from the top of the hierarchy
  fs::path point;  ///< where
  bool is_version_2 = false;
};

/// Nothing when the file is absent or says "max".
std::optional<std::int64_t> number_in(const fs::path& path) {
  std::ifstream file(path);
  std::int64_t value = 0;
  return file >> value ? std::optional(value) : std::nullopt;
}

std::int64_t statistic_in(const fs::path& group, std::string_view key) {
  std::ifstream file(group / "memory.stat");
  std::string name;
  for (std::int64_t value = 0; file >> name >> value;) {
    if (name == key) {
      return value;
    }
  }
  return 0;
}

std::int64_t available_in(const fs::path& group, const GroupFiles& files) {
  std::int64_t limit = no_memory_limit;
  for (const char* const name : files.limits) {
    if (*name != '\0') {
      limit = std::min(limit, number_in(group / name).value_or(no_memory_limit));
    }
  }
  const auto usage = number_in(group / files.usage);
  if (limit == no_memory_limit || !usage.has_value()) {
    return no_memory_limit;
  }
  const std::int64_t held = std::max<std::int64_t>(0, *usage - statistic_in(group, files.reclaimable));
  return std::max<std::int64_t>(0, limit - held);
}

bool has_word(const std::string& list, std::string_view word) {
  std::istringstream words(list);
  for (std::string one; std::getline(words, one, ',');) {
    if (one == word) {
      return true;
    }
  }
  return false;
}

/// mountinfo writes a blank as \040 (proc(5)).
std::string unescaped(const std::string& text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\' && at + 3 < text.size()) {
      plain += static_cast<char>(std::stoi(text.substr(at + 1, 3), nullptr, 8));
      at += 3;
    } else {
      plain += text[at];
    }
  }
  return plain;
}

/// Lines "36 35 98:0 ROOT POINT options optional... - TYPE source SUPER_OPTIONS".
std::vector<Mount> memory_mounts(const fs::path& mountinfo) {
  std::vector<Mount> mounts;
  std::ifstream file(mountinfo);
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string skipped;
    std::string root;
    std::string point;
    fields >> skipped >> skipped >> skipped >> root >> point;
    for (std::string field; fields >> field && field != "-";) {
    }
    std::string type;
    std::string options;
    fields >> type >> skipped >> options;
    if (type == "cgroup2" || (type == "cgroup" && has_word(options, "memory"))) {
      mounts.push_back({.root = unescaped(root), .point = unescaped(point), .is_version_2 = type == "cgroup2"});
    }
  }
  return mounts;
}

/// The process's group from the top of a hierarchy; lines "4:cpu,memory:/path", version 2's "0::/path".
std::optional<fs::path> group_of_process(const fs::path& groups, bool is_version_2) {
  std::ifstream file(groups);
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) {
      continue;
    }
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (is_version_2 ? controllers.empty() && line.starts_with("0:") : has_word(controllers, "memory")) {
      return line.substr(second + 1);
    }
  }
  return std::nullopt;
}

/// Path below the mount; empty where the process's group cannot be seen from there, as in a container that is shown only
/// its own group: then the mount itself is that group.
fs::path below_mount(const fs::path& group, const fs::path& root) {
  const fs::path relative = group.lexically_relative(root);
  return relative.empty() || *relative.begin() == ".." || relative == "." ? fs::path() : relative;
}

}  // namespace

MemoryGroups::MemoryGroups(const fs::path& process) {
  for (const Mount& mount : memory_mounts(process / "mountinfo")) {
    const auto group = group_of_process(process / "cgroup", mount.is_version_2);
    if (!group.has_value()) {
      continue;
    }
    const GroupFiles* const files = mount.is_version_2 ? &version_2 : &version_1;
    std::error_code ignored;
    fs::path below = below_mount(*group, mount.root);
    if (!fs::is_directory(mount.point / below, ignored)) {
      below.clear();
    }
    for (; !below.empty(); below = below.parent_path()) {
      groups_.push_back({.folder = mount.point / below, .files = files});
    }
    groups_.push_back({.folder = mount.point, .files = files});
  }
}

std::int64_t MemoryGroups::available_bytes() const {
  std::int64_t available = no_memory_limit;
  for (const Group& group : groups_) {
    available = std::min(available, available_in(group.folder, *group.files));
  }
  return available;
}

}  // namespace ringworld
