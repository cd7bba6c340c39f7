#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include "core/error.hpp"
#include "core/unique_handle.hpp"
#include "device/device.hpp"

namespace ringworld {
namespace {

void check_cuda(cudaError_t code, std::source_location where = std::source_location::current()) {
  if (code != cudaSuccess) {
    throw Error(ErrorKind::internal, fmt::format("CUDA: {}", cudaGetErrorString(code)), where);
  }
}

struct StreamTraits {
  using Handle = cudaStream_t;
  static Handle null() noexcept { return nullptr; }
  static void close(Handle handle) noexcept { cudaStreamDestroy(handle); }
};

struct EventTraits {
  using Handle = cudaEvent_t;
  static Handle null() noexcept { return nullptr; }
  static void close(Handle handle) noexcept { cudaEventDestroy(handle); }
};

class CudaStream final : public Stream {
 public:
  CudaStream() {
    cudaStream_t stream = nullptr;
    check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    handle_.reset(stream);
  }
  void synchronize() override { check_cuda(cudaStreamSynchronize(handle_.get())); }
  [[nodiscard]] cudaStream_t get() const { return handle_.get(); }

 private:
  UniqueHandle<StreamTraits> handle_;
};

class CudaEvent final : public Event {
 public:
  CudaEvent() {
    cudaEvent_t event = nullptr;
    check_cuda(cudaEventCreate(&event));
    handle_.reset(event);
  }
  void record(Stream& stream) override {
    check_cuda(cudaEventRecord(handle_.get(), dynamic_cast<CudaStream&>(stream).get()));
  }
  [[nodiscard]] double seconds_since(const Event& earlier) const override {
    float milliseconds = 0;
    check_cuda(
        cudaEventElapsedTime(&milliseconds, dynamic_cast<const CudaEvent&>(earlier).handle_.get(), handle_.get()));
    return 1e-3 * static_cast<double>(milliseconds);
  }

 private:
  UniqueHandle<EventTraits> handle_;
};

class CudaDevice final : public Device {
 public:
  CudaDevice() {
    // Without a driver the call fails and leaves the count as it was.
    int count = 0;
    const bool has_device = cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
    require_input(has_device, "this build has CUDA, but no NVIDIA GPU was found on this node");
  }

  [[nodiscard]] DeviceKind kind() const override { return DeviceKind::cuda; }

  [[nodiscard]] std::string name() const override {
    int ordinal = 0;
    check_cuda(cudaGetDevice(&ordinal));
    cudaDeviceProp properties{};
    check_cuda(cudaGetDeviceProperties(&properties, ordinal));
    return properties.name;
  }

  [[nodiscard]] std::int64_t available_bytes() const override {
    std::size_t free_bytes = 0;
    std::size_t all_bytes = 0;
    check_cuda(cudaMemGetInfo(&free_bytes, &all_bytes));
    return static_cast<std::int64_t>(free_bytes);
  }

  [[nodiscard]] void* allocate(std::int64_t bytes) override {
    void* data = nullptr;
    const cudaError_t code = cudaMalloc(&data, static_cast<std::size_t>(bytes));
    if (code == cudaErrorMemoryAllocation) {
      cudaGetLastError();  // clears it: the caller turns the null pointer into an error of its own
      return nullptr;
    }
    check_cuda(code);
    return data;
  }

  void release(void* data, std::int64_t /*bytes*/) noexcept override { cudaFree(data); }

  [[nodiscard]] std::unique_ptr<Stream> make_stream() override { return std::make_unique<CudaStream>(); }
  [[nodiscard]] std::unique_ptr<Event> make_event() override { return std::make_unique<CudaEvent>(); }
};

}  // namespace

Device& cuda_device() {
  static CudaDevice instance;
  return instance;
}

}  // namespace ringworld
