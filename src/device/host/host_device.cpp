#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>

#include "core/clock.hpp"
#include "device/device.hpp"
#include "device/host/memory_limit.hpp"

namespace ringworld {
namespace {

class HostStream final : public Stream {
 public:
  void synchronize() override {}
  void wait_for(const Event& /*event*/) override {}
};

class HostEvent final : public Event {
 public:
  void record(Stream& /*stream*/) override { moment_ = now_seconds(); }
  [[nodiscard]] bool has_happened() const override { return true; }
  void synchronize() const override {}
  [[nodiscard]] double seconds_since(const Event& earlier) const override {
    return moment_ - dynamic_cast<const HostEvent&>(earlier).moment_;
  }

 private:
  double moment_ = 0;
};

/// The value, in bytes, of a line `key   N kB` of /proc/meminfo, or the largest number when there is none.
std::int64_t meminfo_bytes(const std::string& key) {
  std::ifstream file("/proc/meminfo");
  for (std::string word; file >> word;) {
    if (word == key) {
      std::int64_t kib = 0;
      file >> kib;
      return kib * 1024;
    }
  }
  return std::numeric_limits<std::int64_t>::max();
}

class HostDevice final : public Device {
 public:
  [[nodiscard]] DeviceKind kind() const override { return DeviceKind::host; }
  [[nodiscard]] DeviceKind staging() const override { return DeviceKind::host; }

  [[nodiscard]] std::string name() const override {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("model name")) {
        return line.substr(line.find(':') + 2);
      }
    }
    return "unknown CPU";
  }

  [[nodiscard]] std::int64_t available_bytes() const override {
    return std::min(meminfo_bytes("MemAvailable:"), groups_.available_bytes());
  }

  [[nodiscard]] void* allocate(std::int64_t bytes) override {
    // Large blocks come from the kernel and go back to it at once, on huge pages where it has them; malloc would
    // keep them and blur the resident size that a run reports.
    if (bytes >= mapped_from) {
      // The kernel promises more than there is, and ends the process when it is used.
      if (bytes > available_bytes() - untouched_bytes()) {
        return nullptr;
      }
      void* data =
          mmap(nullptr, static_cast<std::size_t>(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (data == MAP_FAILED) {
        return nullptr;
      }
      madvise(data, static_cast<std::size_t>(bytes), MADV_HUGEPAGE);
      mapped_bytes_ += bytes;
      return data;
    }
    const auto rounded = static_cast<std::size_t>((bytes + alignment - 1) / alignment * alignment);
    return std::aligned_alloc(alignment, rounded);
  }

  void release(void* data, std::int64_t bytes) noexcept override {
    if (bytes >= mapped_from) {
      munmap(data, static_cast<std::size_t>(bytes));
      mapped_bytes_ -= bytes;
    } else {
      std::free(data);
    }
  }

  [[nodiscard]] std::unique_ptr<Stream> make_stream() override { return std::make_unique<HostStream>(); }
  [[nodiscard]] std::unique_ptr<Event> make_event() override { return std::make_unique<HostEvent>(); }
  [[nodiscard]] Stream& compute_stream() override { return compute_stream_; }

  void copy(void* to, const void* from, std::int64_t bytes, Stream& /*stream*/) override {
    if (bytes > 0) {  // the pointers of nothing may be null, which memcpy forbids
      std::memcpy(to, from, static_cast<std::size_t>(bytes));
    }
  }

  void fill_zero(void* to, std::int64_t bytes, Stream& /*stream*/) override {
    if (bytes > 0) {
      std::memset(to, 0, static_cast<std::size_t>(bytes));
    }
  }

 private:
  static constexpr std::int64_t alignment = 64;
  static constexpr std::int64_t mapped_from = std::int64_t{1} << 20;

  /// Bytes of mapped blocks that no page stands behind yet, at least: other memory of the process is resident as well.
  [[nodiscard]] std::int64_t untouched_bytes() const {
    std::ifstream file("/proc/self/statm");
    std::int64_t pages = 0;
    std::int64_t resident_pages = 0;
    file >> pages >> resident_pages;
    return std::max<std::int64_t>(0, mapped_bytes_ - resident_pages * ::sysconf(_SC_PAGESIZE));
  }

  HostStream compute_stream_;
  MemoryGroups groups_;
  std::atomic<std::int64_t> mapped_bytes_ = 0;
};

}  // namespace

Device& host_device() {
  static HostDevice instance;
  return instance;
}

}  // namespace ringworld
