#include "device/counting/counting_devices.hpp"

#include <sys/mman.h>

#include <atomic>
#include <limits>

#include "core/error.hpp"

namespace ringworld {
namespace {

class NoStream final : public Stream {
 public:
  void synchronize() override {}
  void wait_for(const Event& /*event*/) override {}
};

class NoEvent final : public Event {
 public:
  void record(Stream& /*stream*/) override {}
  [[nodiscard]] bool has_happened() const override { return true; }
  void synchronize() const override {}
  [[nodiscard]] double seconds_since(const Event& /*earlier*/) const override { return 0; }
};

/// Gives out addresses that the kernel of the operating system has promised nothing for. Small host arrays that a
/// constructor writes work all the same: a page comes with its first write.
class CountingDevice final : public Device {
 public:
  explicit CountingDevice(DeviceKind kind) : kind_(kind) {}

  [[nodiscard]] DeviceKind kind() const override { return kind_; }
  [[nodiscard]] DeviceKind staging() const override {
    return kind_ == DeviceKind::host || kind_ == DeviceKind::pinned ? kind_ : DeviceKind::pinned;
  }
  [[nodiscard]] std::string name() const override { return "counting device"; }
  [[nodiscard]] std::int64_t available_bytes() const override { return std::numeric_limits<std::int64_t>::max(); }

  [[nodiscard]] void* allocate(std::int64_t bytes) override {
    void* const data = mmap(nullptr, static_cast<std::size_t>(bytes), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return data == MAP_FAILED ? nullptr : data;
  }
  void release(void* data, std::int64_t bytes) noexcept override { munmap(data, static_cast<std::size_t>(bytes)); }

  [[nodiscard]] std::unique_ptr<Stream> make_stream() override { return std::make_unique<NoStream>(); }
  [[nodiscard]] std::unique_ptr<Event> make_event() override { return std::make_unique<NoEvent>(); }
  [[nodiscard]] Stream& compute_stream() override { return compute_stream_; }
  void copy(void* /*to*/, const void* /*from*/, std::int64_t /*bytes*/, Stream& /*stream*/) override {}
  void fill_zero(void* /*to*/, std::int64_t /*bytes*/, Stream& /*stream*/) override {}

 private:
  DeviceKind kind_;
  NoStream compute_stream_;
};

std::atomic<CountingDevices*>& living() {
  static std::atomic<CountingDevices*> instance = nullptr;
  return instance;
}

}  // namespace

CountingDevices::CountingDevices() {
  for (std::size_t kind = 0; kind < devices_.size(); ++kind) {
    devices_[kind] = std::make_unique<CountingDevice>(static_cast<DeviceKind>(kind));
  }
  CountingDevices* none = nullptr;
  require(living().compare_exchange_strong(none, this), "memory is being counted already");
}

CountingDevices::~CountingDevices() { living().store(nullptr); }

CountingDevices* CountingDevices::current() noexcept { return living().load(std::memory_order_relaxed); }

}  // namespace ringworld
