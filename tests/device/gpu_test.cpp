/// @file  What is said of a GPU, with a fake NVML in the place of the driver's.

#include "device/gpu.hpp"

#include <gtest/gtest.h>

#include "support/available_device.hpp"

namespace ringworld::test {
namespace {

TEST(GpuMonitor, TellsWhatNvmlTells) {
  const GpuState state = GpuMonitor("GPU-known").sample();
  EXPECT_TRUE(state.is_available);
  EXPECT_EQ(state.clock, 1755e6);
  EXPECT_EQ(state.memory_clock, 2619e6);
  EXPECT_EQ(state.power, 690.5);
  EXPECT_EQ(state.temperature, 0) << "what NVML does not support is 0, whatever it left in the answer";
  EXPECT_EQ(state.throttle_reasons, "software power cap, software thermal slowdown");
}

TEST(GpuMonitor, TellsTheEnergyThatNvmlCounts) {
  EXPECT_DOUBLE_EQ(GpuMonitor("GPU-known").joules().value_or(0), 5'000'000'001.5);
  EXPECT_FALSE(GpuMonitor("GPU-unknown").joules().has_value());
}

TEST(GpuMonitor, AGpuThatNvmlDoesNotKnowIsNotAvailable) {
  const GpuState state = GpuMonitor("GPU-unknown").sample();
  EXPECT_FALSE(state.is_available);
  EXPECT_EQ(state.clock, 0);
  EXPECT_EQ(state.throttle_reasons, "not available");
}

TEST(GpuMonitor, ReasonsAreWords) {
  EXPECT_EQ(describe_throttle_reasons(0), "none");
  EXPECT_EQ(describe_throttle_reasons(0x1), "idle");
  EXPECT_EQ(describe_throttle_reasons(0x48), "hardware slowdown, hardware thermal slowdown");
}

GpuDescription gpu_of(int compute_capability, int multiprocessors, double clock) {
  GpuDescription gpu;
  gpu.compute_capability = compute_capability;
  gpu.multiprocessors = multiprocessors;
  gpu.clock = clock;
  return gpu;
}

TEST(NominalGpuPeak, IsThatOfTheDataSheets) {
  // At the clocks for which NVIDIA quotes them.
  const GpuDescription a100 = gpu_of(80, 108, 1410e6);
  EXPECT_NEAR(nominal_gpu_peak(a100, DType::bfloat16), 312e12, 1e12);
  EXPECT_NEAR(nominal_gpu_peak(a100, DType::float32), 19.5e12, 0.1e12);
  EXPECT_NEAR(nominal_gpu_peak(gpu_of(90, 132, 1830e6), DType::bfloat16), 989e12, 1e12);
  EXPECT_EQ(nominal_gpu_peak(gpu_of(20, 1, 1e9), DType::float32), 0);
}

TEST(Gpu, DescribesItself) {
  if (const std::string reason = why_unavailable(DeviceKind::cuda); !reason.empty()) {
    GTEST_SKIP() << reason;
  }
  const GpuDescription gpu = describe_gpu();
  EXPECT_EQ(gpu.name, device(DeviceKind::cuda).name());
  EXPECT_EQ(gpu.identity, device(DeviceKind::cuda).identity());
  EXPECT_EQ(gpu.identity.size(), 40U) << gpu.identity;
  EXPECT_GE(gpu.compute_capability, 80);
  EXPECT_GT(gpu.multiprocessors, 0);
  EXPECT_GT(gpu.memory_bytes, device(DeviceKind::cuda).available_bytes() / 2);
  EXPECT_GT(gpu.clock, 0);
}

}  // namespace
}  // namespace ringworld::test
