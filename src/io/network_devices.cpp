#include "io/network_devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <system_error>
#include <vector>

namespace ringworld {
namespace {

namespace fs = std::filesystem;

/// The entries of a folder, by name; none when it is not there.
std::vector<fs::path> device_folders(const fs::path& folder) {
  std::error_code failed;
  std::vector<fs::path> entries;
  for (fs::directory_iterator entry(folder, failed), end; !failed && entry != end; entry.increment(failed)) {
    entries.push_back(entry->path());
  }
  std::ranges::sort(entries);
  return entries;
}

std::string first_line_of(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

std::string network_devices(const fs::path& classes) {
  std::string text;
  const auto add = [&](const fs::path& device, const std::string& speed) {
    text +=
        fmt::format("{}{}{}{}", text.empty() ? "" : ", ", device.filename().string(), speed.empty() ? "" : " ", speed);
  };
  for (const fs::path& device : device_folders(classes / "infiniband")) {
    const std::vector<fs::path> ports = device_folders(device / "ports");
    add(device, ports.empty() ? std::string() : first_line_of(ports.front() / "rate"));
  }
  if (!text.empty()) {
    return text;
  }
  for (const fs::path& device : device_folders(classes / "net")) {
    std::error_code failed;
    const bool leads_elsewhere = fs::exists(device / "device", failed) || first_line_of(device / "operstate") == "up";
    if (device.filename() != "lo" && leads_elsewhere) {
      const std::string speed = first_line_of(device / "speed");  // -1, or an error, where it is not known
      add(device, speed.empty() || speed.starts_with('-') ? std::string() : speed + " Mb/s");
    }
  }
  return text;
}

}  // namespace ringworld
