#include "device/simulated/simulated_device.hpp"

#include <fmt/format.h>

#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/simulated_ranks.hpp"
#include "device/device.hpp"

namespace ringworld {
namespace {

class SimulatedStream final : public Stream {
 public:
  void synchronize() override {}
  void wait_for(const Event& /*event*/) override {}
};

class SimulatedEvent final : public Event {
 public:
  void record(Stream& /*stream*/) override { moment_ = now_seconds(); }
  [[nodiscard]] bool has_happened() const override { return true; }
  void synchronize() const override {}
  [[nodiscard]] double seconds_since(const Event& earlier) const override {
    return moment_ - dynamic_cast<const SimulatedEvent&>(earlier).moment_;
  }

 private:
  double moment_ = 0;
};

class SimulatedDevice final : public Device {
 public:
  [[nodiscard]] DeviceKind kind() const override { return DeviceKind::simulated; }
  [[nodiscard]] DeviceKind staging() const override { return DeviceKind::host; }
  [[nodiscard]] std::string name() const override { return "simulated device"; }
  [[nodiscard]] std::int64_t available_bytes() const override { return std::numeric_limits<std::int64_t>::max(); }

  [[nodiscard]] void* allocate(std::int64_t bytes) override {
    void* const data = take_phantom_memory(bytes);
    if (data == nullptr) {
      throw Error(ErrorKind::out_of_memory,
                  fmt::format("a buffer of {:.3g} GiB is more than this machine can map for a simulated device: take "
                              "shorter contexts, fewer sequences at once (micro_batch) or more ranks",
                              static_cast<double>(bytes) / (1 << 30)));
    }
    return data;
  }
  void release(void* data, std::int64_t bytes) noexcept override { give_phantom_memory_back(data, bytes); }

  [[nodiscard]] std::unique_ptr<Stream> make_stream() override { return std::make_unique<SimulatedStream>(); }
  [[nodiscard]] std::unique_ptr<Event> make_event() override { return std::make_unique<SimulatedEvent>(); }
  [[nodiscard]] Stream& compute_stream() override { return compute_stream_; }
  void copy(void* /*to*/, const void* /*from*/, std::int64_t /*bytes*/, Stream& /*stream*/) override {}
  void fill_zero(void* /*to*/, std::int64_t /*bytes*/, Stream& /*stream*/) override {}

  bool charge(const Cost& cost, const Progress& progress) override {
    return seconds_of_ == nullptr || pass_time(seconds_of_(cost), progress);
  }

  void set_time(SimulatedTime seconds_of) { seconds_of_ = std::move(seconds_of); }

 private:
  SimulatedStream compute_stream_;
  SimulatedTime seconds_of_;
};

/// That of this rank: its account is its own.
SimulatedDevice& instance() {
  static std::vector<std::unique_ptr<SimulatedDevice>> devices;
  const std::size_t rank = simulated_rank();
  if (rank >= devices.size()) {
    devices.resize(rank + 1);
  }
  if (devices[rank] == nullptr) {
    devices[rank] = std::make_unique<SimulatedDevice>();
  }
  return *devices[rank];
}

}  // namespace

Device& simulated_device() { return instance(); }

void set_simulated_time(SimulatedTime seconds_of) { instance().set_time(std::move(seconds_of)); }

}  // namespace ringworld
