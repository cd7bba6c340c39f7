#include <cuda.h>
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/cuda_emulator/device_memory.hpp"
#include "support/cuda_emulator/guarded_call.hpp"
#include "support/cuda_emulator/stream.hpp"

namespace cuda_emulator {
namespace {

constexpr int kibibyte = 1024;

/// What RINGWORLD_EMULATED_CUDA_ARCH says the device is: 80 (A100) or 90 (H100).
int architecture() {
  static const int chosen = [] {
    const char* text = std::getenv("RINGWORLD_EMULATED_CUDA_ARCH");
    return text != nullptr && std::string_view(text) == "80" ? 80 : 90;
  }();
  return chosen;
}

/// How many devices RINGWORLD_EMULATED_CUDA_DEVICES says that the node has: 1 unless it says more. Each is all of the
/// emulator to the process that takes it.
int device_count() {
  static const int count = [] {
    const char* text = std::getenv("RINGWORLD_EMULATED_CUDA_DEVICES");
    return text != nullptr ? std::max(1, std::atoi(text)) : 1;
  }();
  return count;
}

bool is_device(int device) { return device >= 0 && device < device_count(); }

int& current_device() {
  static int device = 0;
  return device;
}

std::string& last_failure() {
  static std::string text;
  return text;
}

cudaError_t& last_error() {
  static cudaError_t code = cudaSuccess;
  return code;
}

/// What cudaGetLastError says next.
cudaError_t noted(cudaError_t code) {
  if (code != cudaSuccess) {
    last_error() = code;
  }
  return code;
}

/// Copies rows now.
void copy_rows(std::byte* to, std::size_t to_pitch, const std::byte* from, std::size_t from_pitch, std::size_t width,
               std::size_t height) {
  const DeviceAccess access;
  for (std::size_t row = 0; row < height; ++row) {
    std::memcpy(to + row * to_pitch, from + row * from_pitch, width);
  }
}

bool is_reachable(const void* data, std::size_t bytes) {
  return kind_of(data) != MemoryKind::device || is_inside_allocation(data, bytes);
}

}  // namespace

void remember_failure(const std::string& what) { last_failure() = what; }

}  // namespace cuda_emulator

using namespace cuda_emulator;  // NOLINT(google-build-using-namespace): the definitions below are CUDA's

const char* cudaGetErrorName(cudaError_t code) {
  switch (code) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorInvalidResourceHandle:
      return "cudaErrorInvalidResourceHandle";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    case cudaErrorNotSupported:
      return "cudaErrorNotSupported";
  }
  return "an error that the emulator does not know";
}

const char* cudaGetErrorString(cudaError_t code) {
  return code == cudaErrorLaunchFailure ? last_failure().c_str() : cudaGetErrorName(code);
}

cudaError_t cudaPeekAtLastError() { return last_error(); }
cudaError_t cudaGetLastError() { return std::exchange(last_error(), cudaSuccess); }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = device_count();
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = current_device();
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (!is_device(device)) {
    return noted(cudaErrorInvalidDevice);
  }
  current_device() = device;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (!is_device(device)) {
    return noted(cudaErrorInvalidDevice);
  }
  const bool is_hopper = architecture() == 90;
  *properties = {};
  constexpr std::string_view name = "CPU emulation of a CUDA device";
  std::ranges::copy(name, properties->name);
  properties->uuid.bytes[15] = static_cast<char>(device + 1);
  properties->totalGlobalMem = device_memory_bytes;
  properties->sharedMemPerBlock = 48 * kibibyte;
  properties->sharedMemPerBlockOptin = static_cast<std::size_t>(is_hopper ? 227 : 163) * kibibyte;
  properties->sharedMemPerMultiprocessor = static_cast<std::size_t>(is_hopper ? 228 : 164) * kibibyte;
  properties->regsPerBlock = 65536;
  properties->regsPerMultiprocessor = 65536;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  properties->maxThreadsPerMultiProcessor = 2048;
  properties->major = architecture() / 10;
  properties->minor = architecture() % 10;
  properties->multiProcessorCount = 4;  // few, so that loops over what does not fit at once go round
  properties->l2CacheSize = 40 * kibibyte * kibibyte;
  properties->memoryBusWidth = 5120;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp properties{};
  if (const cudaError_t code = cudaGetDeviceProperties(&properties, device); code != cudaSuccess) {
    return code;
  }
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = properties.maxThreadsPerBlock;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = static_cast<int>(properties.sharedMemPerBlock);
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(properties.sharedMemPerBlockOptin);
      break;
    case cudaDevAttrWarpSize:
      *value = properties.warpSize;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = properties.multiProcessorCount;
      break;
    case cudaDevAttrGlobalMemoryBusWidth:
      *value = properties.memoryBusWidth;
      break;
    case cudaDevAttrL2CacheSize:
      *value = properties.l2CacheSize;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = properties.major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = properties.minor;
      break;
    case cudaDevAttrClockRate:
    case cudaDevAttrMemoryClockRate:
      *value = 1'000'000;  // kHz
      break;
  }
  return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int /*device*/) {
  const std::string text = "0000:00:00.0";
  if (length <= static_cast<int>(text.size())) {
    return noted(cudaErrorInvalidValue);
  }
  std::memcpy(id, text.c_str(), text.size() + 1);
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) { return cudaRuntimeGetVersion(version); }

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  *least = 0;
  *greatest = -5;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* all_bytes) {
  *free_bytes = free_device_bytes();
  *all_bytes = device_memory_bytes;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  *data = bytes == 0 ? nullptr : allocate_device_memory(bytes);
  return *data != nullptr || bytes == 0 ? cudaSuccess : noted(cudaErrorMemoryAllocation);
}

cudaError_t cudaFree(void* data) {
  if (data == nullptr) {
    return cudaSuccess;
  }
  return noted(guarded_call([&] {
    drain_all_streams();  // as CUDA does
    release_device_memory(data);
  }));
}

cudaError_t cudaMallocHost(void** data, std::size_t bytes) {
  *data = bytes == 0 ? nullptr : allocate_pinned_memory(bytes);
  return *data != nullptr || bytes == 0 ? cudaSuccess : noted(cudaErrorMemoryAllocation);
}

cudaError_t cudaHostAlloc(void** data, std::size_t bytes, unsigned /*flags*/) { return cudaMallocHost(data, bytes); }

cudaError_t cudaFreeHost(void* data) {
  if (data == nullptr) {
    return cudaSuccess;
  }
  return noted(guarded_call([&] {
    drain_all_streams();
    release_pinned_memory(data);
  }));
}

cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch,
                              std::size_t width, std::size_t height, cudaMemcpyKind /*kind*/, cudaStream_t stream) {
  if (width == 0 || height == 0) {
    return cudaSuccess;
  }
  if (to_pitch < width || from_pitch < width || !is_reachable(to, (height - 1) * to_pitch + width) ||
      !is_reachable(from, (height - 1) * from_pitch + width)) {
    return noted(cudaErrorInvalidValue);
  }
  auto* target = static_cast<std::byte*>(to);
  const auto* source = static_cast<const std::byte*>(from);
  if (kind_of(to) == MemoryKind::pageable) {
    return noted(guarded_call([&] {
      drain(stream);
      copy_rows(target, to_pitch, source, from_pitch, width, height);
    }));
  }
  if (kind_of(from) == MemoryKind::pageable) {
    // Read now: the caller may change it as soon as this returns.
    std::vector<std::byte> taken(width * height);
    copy_rows(taken.data(), width, source, from_pitch, width, height);
    enqueue(stream, [=, taken = std::move(taken)] { copy_rows(target, to_pitch, taken.data(), width, width, height); });
  } else {
    enqueue(stream, [=] { copy_rows(target, to_pitch, source, from_pitch, width, height); });
  }
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  return cudaMemcpy2DAsync(to, bytes, from, bytes, bytes, 1, kind, stream);
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const cudaError_t code = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  return code == cudaSuccess ? cudaStreamSynchronize(nullptr) : code;
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  if (bytes == 0) {
    return cudaSuccess;
  }
  if (kind_of(to) == MemoryKind::pageable || !is_reachable(to, bytes)) {
    return noted(cudaErrorInvalidValue);
  }
  enqueue(stream, [=] { std::memset(to, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaMemset(void* to, int value, std::size_t bytes) {
  const cudaError_t code = cudaMemsetAsync(to, value, bytes, nullptr);
  return code == cudaSuccess ? cudaStreamSynchronize(nullptr) : code;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned /*version*/,
                                             unsigned long long /*flags*/, cudaDriverEntryPointQueryResult* found) {
  const bool is_known = std::string_view(symbol) == "cuTensorMapEncodeTiled";
  *function = is_known ? reinterpret_cast<void*>(&cuTensorMapEncodeTiled) : nullptr;
  if (found != nullptr) {
    *found = is_known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  }
  return cudaSuccess;
}
