#include "io/output_path.hpp"

#include <fmt/format.h>

#include <climits>
#include <string>
#include <system_error>

#include "core/digest.hpp"
#include "core/error.hpp"

namespace ringworld {

namespace fs = std::filesystem;

fs::path follow_links(const fs::path& path) {
  constexpr int most_links = 40;  // as many as Linux follows
  std::error_code ignored;
  fs::path at = path;
  for (int links = 0; links < most_links && fs::is_symlink(at, ignored); ++links) {
    const fs::path next = fs::read_symlink(at, ignored);
    if (ignored) {
      return path;
    }
    at = next.is_absolute() ? next : at.parent_path() / next;
  }
  return at;
}

void throw_cannot_write(const fs::path& path, std::string_view reason) {
  throw Error(ErrorKind::bad_input, fmt::format("cannot write '{}': {}", path.string(), reason));
}

void throw_cannot_write(const fs::path& path, int error_number) {
  throw_cannot_write(path, std::generic_category().message(error_number));
}

fs::path directory_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

fs::path beside(const fs::path& path, std::string_view prefix, std::string_view suffix) {
  const std::string name = path.filename().string();
  std::string shown = name;
  if (prefix.size() + name.size() + suffix.size() > NAME_MAX) {
    shown = fmt::format("{}~{:016x}", name.substr(0, NAME_MAX / 2), digest_of(name));
  }
  auto other = path;
  other.replace_filename(fmt::format("{}{}{}", prefix, shown, suffix));
  return other;
}

fs::path writable_target(const fs::path& path) {
  auto target = follow_links(path);
  std::error_code failed;
  const auto status = fs::status(target, failed);
  if (failed && failed != std::errc::no_such_file_or_directory && failed != std::errc::not_a_directory) {
    throw_cannot_write(path, failed.value());
  }
  if (target.filename().empty() || fs::is_directory(status)) {
    throw_cannot_write(path, "it is a directory");
  }
  // Renaming over a device would replace the device.
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    throw_cannot_write(path, "it is not a regular file");
  }
  if (const auto directory = directory_of(target); !fs::is_directory(directory, failed)) {
    throw_cannot_write(path, fmt::format("there is no directory '{}'", directory.string()));
  }
  return target;
}

}  // namespace ringworld
