#pragma once
/// @file  Identity and state of this process's GPU, for messages and records.

#include <cstdint>
#include <optional>
#include <string>

#include "core/dtype.hpp"

namespace ringworld {

struct GpuDescription {
  std::string name;
  std::string identity;        ///< as Device::identity
  int compute_capability = 0;  ///< 10 major + minor: 80, 90, ...
  int multiprocessors = 0;
  std::int64_t memory_bytes = 0;
  double clock = 0;  ///< highest of the multiprocessors, Hz
};

/// @throws Error(bad_input) when there is no GPU, or the build has none.
[[nodiscard]] GpuDescription describe_gpu();

/// FLOP/s of a GPU in dense matrix products at its highest clock: multiprocessors x clock x what the tensor cores
/// (bfloat16) or the FMA units (float32) of one do in a clock. 0 for architectures that are not in the table.
[[nodiscard]] double nominal_gpu_peak(const GpuDescription& gpu, DType dtype);

/// State of the GPU at one moment.
struct GpuState {
  bool is_available = false;     ///< false: NVML is not on this node, or does not know the GPU
  double clock = 0;              ///< of the multiprocessors, Hz
  double memory_clock = 0;       ///< Hz
  double power = 0;              ///< W
  double temperature = 0;        ///< degrees Celsius
  std::string throttle_reasons;  ///< why the clock is not higher, comma-separated; "none", or "not available"
};

/// Asks NVML, which is loaded at its first use (libnvidia-ml.so.1) and need not be there.
/// Source: NVIDIA, "NVML API reference", nvmlDeviceGetClockInfo, nvmlDeviceGetCurrentClocksEventReasons.
class GpuMonitor {
 public:
  /// @param identity  UUID of the GPU to sample
  explicit GpuMonitor(const std::string& identity);
  GpuMonitor(const GpuMonitor&) = delete;
  GpuMonitor& operator=(const GpuMonitor&) = delete;
  ~GpuMonitor();

  [[nodiscard]] GpuState sample() const;
  /// J that the GPU with its memory has taken since its driver was loaded (from Volta on); nothing where NVML does not
  /// tell. Source: nvmlDeviceGetTotalEnergyConsumption.
  [[nodiscard]] std::optional<double> joules() const;

 private:
  void* library_ = nullptr;  // of dlopen
  void* device_ = nullptr;   // nvmlDevice_t
};

/// The words for NVML's bits of reasons, "none" for those that hold nothing back.
[[nodiscard]] std::string describe_throttle_reasons(std::uint64_t bits);

}  // namespace ringworld
