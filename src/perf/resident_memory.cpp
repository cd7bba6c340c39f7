#include "perf/resident_memory.hpp"

#include <algorithm>
#include <fstream>
#include <string>

namespace ringworld {
namespace {

/// A line `key: N kB` of /proc/self/status, in bytes; 0 when there is none.
std::int64_t status_bytes(const std::string& key) {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    if (word == key) {
      std::int64_t kib = 0;
      file >> kib;
      return kib * 1024;
    }
  }
  return 0;
}

}  // namespace

ResidentGrowth::ResidentGrowth() {
  // "5" sets the high-water mark back to what is resident now (proc(5)); where it may not, the growth reads larger.
  std::ofstream("/proc/self/clear_refs") << "5";
  initial_bytes_ = status_bytes("VmRSS:");
}

std::int64_t ResidentGrowth::peak_bytes() const {
  return std::max<std::int64_t>(0, status_bytes("VmHWM:") - initial_bytes_);
}

}  // namespace ringworld
