#include <dlfcn.h>

#include <array>
#include <string_view>

#include "device/gpu.hpp"

namespace ringworld {
namespace {

// NVML's numbers, from nvml.h: its header comes with the toolkit, its library with the driver, and a node may have
// either.
constexpr int nvml_success = 0;
constexpr int clock_of_multiprocessors = 1;
constexpr int clock_of_memory = 2;
constexpr int sensor_of_gpu = 0;

template <class Function>
Function* find(void* library, const char* name) {
  return reinterpret_cast<Function*>(dlsym(library, name));
}

/// The first number that `name` gives for the device; `fallback` when it gives none.
template <class... Arguments>
double ask(void* library, void* device, const char* name, double fallback, Arguments... arguments) {
  auto* function = find<int(void*, Arguments..., unsigned*)>(library, name);
  unsigned value = 0;
  return function != nullptr && function(device, arguments..., &value) == nvml_success ? static_cast<double>(value)
                                                                                       : fallback;
}

struct Reason {
  std::uint64_t bit;
  std::string_view name;
};

// nvmlClocksEventReason*. Idle and the clocks that a user asked for are no throttling, but explain a low clock as well.
constexpr std::array<Reason, 9> reasons{{{0x001, "idle"},
                                         {0x002, "clocks set by the user"},
                                         {0x004, "software power cap"},
                                         {0x008, "hardware slowdown"},
                                         {0x010, "sync boost"},
                                         {0x020, "software thermal slowdown"},
                                         {0x040, "hardware thermal slowdown"},
                                         {0x080, "hardware power brake"},
                                         {0x100, "display clocks"}}};

}  // namespace

std::string describe_throttle_reasons(std::uint64_t bits) {
  std::string text;
  for (const auto& [bit, name] : reasons) {
    if ((bits & bit) != 0) {
      text += text.empty() ? "" : ", ";
      text += name;
    }
  }
  return text.empty() ? "none" : text;
}

GpuMonitor::GpuMonitor(const std::string& identity) : library_(dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL)) {
  if (library_ == nullptr) {
    return;
  }
  auto* init = find<int()>(library_, "nvmlInit_v2");
  auto* device_of_uuid = find<int(const char*, void**)>(library_, "nvmlDeviceGetHandleByUUID");
  if (init == nullptr || device_of_uuid == nullptr || init() != nvml_success ||
      device_of_uuid(identity.c_str(), &device_) != nvml_success) {
    device_ = nullptr;
  }
}

GpuMonitor::~GpuMonitor() {
  if (library_ == nullptr) {
    return;
  }
  if (auto* shutdown = find<int()>(library_, "nvmlShutdown"); shutdown != nullptr) {
    shutdown();
  }
  dlclose(library_);
}

GpuState GpuMonitor::sample() const {
  GpuState state;
  state.throttle_reasons = "not available";
  if (device_ == nullptr) {
    return state;
  }
  state.is_available = true;
  state.clock = 1e6 * ask(library_, device_, "nvmlDeviceGetClockInfo", 0, clock_of_multiprocessors);
  state.memory_clock = 1e6 * ask(library_, device_, "nvmlDeviceGetClockInfo", 0, clock_of_memory);
  state.power = 1e-3 * ask(library_, device_, "nvmlDeviceGetPowerUsage", 0);
  state.temperature = ask(library_, device_, "nvmlDeviceGetTemperature", 0, sensor_of_gpu);
  unsigned long long bits = 0;
  // Its older name in drivers before 535.
  for (const char* name : {"nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"}) {
    auto* function = find<int(void*, unsigned long long*)>(library_, name);
    if (function != nullptr && function(device_, &bits) == nvml_success) {
      state.throttle_reasons = describe_throttle_reasons(bits);
      break;
    }
  }
  return state;
}

std::optional<double> GpuMonitor::joules() const {
  if (device_ == nullptr) {
    return std::nullopt;
  }
  auto* function = find<int(void*, unsigned long long*)>(library_, "nvmlDeviceGetTotalEnergyConsumption");
  unsigned long long millijoules = 0;
  if (function == nullptr || function(device_, &millijoules) != nvml_success) {
    return std::nullopt;
  }
  return 1e-3 * static_cast<double>(millijoules);
}

}  // namespace ringworld
