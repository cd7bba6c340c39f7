/// @file  A libnvidia-ml.so.1 that knows one GPU.

#include <string_view>

extern "C" {

int nvmlInit_v2() { return 0; }
int nvmlShutdown() { return 0; }

int nvmlDeviceGetHandleByUUID(const char* uuid, void** device) {
  static int gpu = 0;
  *device = &gpu;
  return std::string_view(uuid) == "GPU-known" ? 0 : 6;  // NVML_ERROR_NOT_FOUND
}

int nvmlDeviceGetClockInfo(void* /*device*/, int type, unsigned* megahertz) {
  *megahertz = type == 1 ? 1755 : type == 2 ? 2619 : 0;  // NVML_CLOCK_SM, NVML_CLOCK_MEM
  return 0;
}

int nvmlDeviceGetPowerUsage(void* /*device*/, unsigned* milliwatts) {
  *milliwatts = 690'500;
  return 0;
}

int nvmlDeviceGetTemperature(void* /*device*/, int /*sensor*/, unsigned* degrees) {
  *degrees = 999;
  return 3;  // NVML_ERROR_NOT_SUPPORTED
}

int nvmlDeviceGetTotalEnergyConsumption(void* /*device*/, unsigned long long* millijoules) {
  *millijoules = 5'000'000'001'500;  // more than 32 bits hold
  return 0;
}

// The older name only.
int nvmlDeviceGetCurrentClocksThrottleReasons(void* /*device*/, unsigned long long* bits) {
  *bits = 0x4 | 0x20;
  return 0;
}

}  // extern "C"
