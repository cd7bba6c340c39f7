#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <cstdlib>

#include "core/error.hpp"
#include "core/unique_handle.hpp"
#include "device/cuda/check.hpp"
#include "device/cuda/native_stream.hpp"
#include "device/device.hpp"
#include "device/device_activity.hpp"

namespace ringworld {
namespace {

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

/// What a query says.
bool has_ended(cudaError_t code) {
  if (code == cudaErrorNotReady) {
    cudaGetLastError();  // clears it: it is an answer, no error
    return false;
  }
  check_cuda(code);
  return true;
}

class CudaEvent final : public Event {
 public:
  /// @param flags  cudaEventDefault or cudaEventDisableTiming
  explicit CudaEvent(unsigned flags) {
    cudaEvent_t event = nullptr;
    check_cuda(cudaEventCreateWithFlags(&event, flags));
    handle_.reset(event);
  }
  void record(Stream& stream) override { check_cuda(cudaEventRecord(handle_.get(), native_stream(stream))); }
  [[nodiscard]] bool has_happened() const override { return has_ended(cudaEventQuery(handle_.get())); }
  void synchronize() const override {
    wait_for_device([this] { return has_happened(); });
  }
  [[nodiscard]] double seconds_since(const Event& earlier) const override {
    float milliseconds = 0;
    check_cuda(
        cudaEventElapsedTime(&milliseconds, dynamic_cast<const CudaEvent&>(earlier).handle_.get(), handle_.get()));
    return 1e-3 * static_cast<double>(milliseconds);
  }
  [[nodiscard]] cudaEvent_t get() const { return handle_.get(); }

 private:
  UniqueHandle<EventTraits> handle_;
};

class CudaStream final : public Stream {
 public:
  explicit CudaStream(int priority = 0) {
    cudaStream_t stream = nullptr;
    // Non-blocking: work on the legacy default stream, should a library use it, orders nothing here.
    check_cuda(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, priority));
    handle_.reset(stream);
  }
  void synchronize() override {
    wait_for_device([this] { return has_ended(cudaStreamQuery(handle_.get())); });
  }
  void wait_for(const Event& event) override {
    check_cuda(cudaStreamWaitEvent(handle_.get(), dynamic_cast<const CudaEvent&>(event).get(), 0));
  }
  [[nodiscard]] cudaStream_t get() const { return handle_.get(); }

 private:
  UniqueHandle<StreamTraits> handle_;
};

/// To be called before anything else of CUDA. By default a kernel is loaded at its first launch, which may wait for all
/// that runs: also for a transfer that waits for a peer. Who has set the variable knows better.
void load_kernels_at_start() { ::setenv("CUDA_MODULE_LOADING", "EAGER", 0); }

/// The number of GPUs of this node; 0 without a driver, where the call fails and leaves the count as it was.
int gpu_count() {
  load_kernels_at_start();
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();  // clears it
    return 0;
  }
  return count;
}

class CudaDevice final : public Device {
 public:
  CudaDevice() {
    require_input(gpu_count() > 0, "this build has CUDA, but no NVIDIA GPU was found on this node");
    compute_stream_ = std::make_unique<CudaStream>();
  }

  [[nodiscard]] DeviceKind kind() const override { return DeviceKind::cuda; }
  [[nodiscard]] DeviceKind staging() const override { return DeviceKind::pinned; }

  [[nodiscard]] std::string name() const override {
    int ordinal = 0;
    check_cuda(cudaGetDevice(&ordinal));
    cudaDeviceProp properties{};
    check_cuda(cudaGetDeviceProperties(&properties, ordinal));
    return properties.name;
  }

  [[nodiscard]] std::string identity() const override {
    int ordinal = 0;
    check_cuda(cudaGetDevice(&ordinal));
    cudaDeviceProp properties{};
    check_cuda(cudaGetDeviceProperties(&properties, ordinal));
    std::string text = "GPU";
    for (std::size_t index = 0; index < sizeof(properties.uuid.bytes); ++index) {
      const bool begins_group = index == 0 || index == 4 || index == 6 || index == 8 || index == 10;
      text +=
          fmt::format("{}{:02x}", begins_group ? "-" : "", static_cast<unsigned char>(properties.uuid.bytes[index]));
    }
    return text;
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
  [[nodiscard]] std::unique_ptr<Stream> make_urgent_stream() override {
    int least = 0;
    int greatest = 0;
    check_cuda(cudaDeviceGetStreamPriorityRange(&least, &greatest));
    return std::make_unique<CudaStream>(greatest);
  }
  [[nodiscard]] std::unique_ptr<Event> make_event() override {
    return std::make_unique<CudaEvent>(cudaEventDisableTiming);
  }
  [[nodiscard]] std::unique_ptr<Event> make_timing_event() override {
    return std::make_unique<CudaEvent>(cudaEventDefault);
  }
  [[nodiscard]] Stream& compute_stream() override { return *compute_stream_; }

  void copy(void* to, const void* from, std::int64_t bytes, Stream& stream) override {
    if (bytes > 0) {
      check_cuda(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDefault, native_stream(stream)));
    }
  }

  void fill_zero(void* to, std::int64_t bytes, Stream& stream) override {
    if (bytes > 0) {
      check_cuda(cudaMemsetAsync(to, 0, static_cast<std::size_t>(bytes), native_stream(stream)));
    }
  }

 private:
  std::unique_ptr<Stream> compute_stream_;
};

/// Page-locked memory of the host: allocated here, everything else is the host's or the GPU's.
class PinnedDevice final : public Device {
 public:
  [[nodiscard]] DeviceKind kind() const override { return DeviceKind::pinned; }
  [[nodiscard]] DeviceKind staging() const override { return DeviceKind::pinned; }
  [[nodiscard]] std::string name() const override { return host_device().name(); }
  [[nodiscard]] std::int64_t available_bytes() const override { return host_device().available_bytes(); }

  [[nodiscard]] void* allocate(std::int64_t bytes) override {
    void* data = nullptr;
    const cudaError_t code = cudaMallocHost(&data, static_cast<std::size_t>(bytes));
    if (code == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      return nullptr;
    }
    check_cuda(code);
    return data;
  }

  void release(void* data, std::int64_t /*bytes*/) noexcept override { cudaFreeHost(data); }

  [[nodiscard]] std::unique_ptr<Stream> make_stream() override { return gpu_.make_stream(); }
  [[nodiscard]] std::unique_ptr<Event> make_event() override { return gpu_.make_event(); }
  [[nodiscard]] std::unique_ptr<Event> make_timing_event() override { return gpu_.make_timing_event(); }
  [[nodiscard]] Stream& compute_stream() override { return gpu_.compute_stream(); }
  void copy(void* to, const void* from, std::int64_t bytes, Stream& stream) override {
    gpu_.copy(to, from, bytes, stream);
  }
  void fill_zero(void* to, std::int64_t bytes, Stream& stream) override { gpu_.fill_zero(to, bytes, stream); }

 private:
  Device& gpu_ = cuda_device();
};

}  // namespace

Device& cuda_device() {
  static CudaDevice instance;
  return instance;
}

Device& pinned_device() {
  static PinnedDevice instance;
  return instance;
}

void choose_cuda_device(int rank_on_node) {
  require(rank_on_node >= 0, "a rank on a node cannot be negative");
  if (const int count = gpu_count(); count > 0) {
    check_cuda(cudaSetDevice(rank_on_node % count));
  }
}

cudaStream_t native_stream(const Stream& stream) {
  const auto* cuda_stream = dynamic_cast<const CudaStream*>(&stream);
  require(cuda_stream != nullptr, "work for the GPU was enqueued on a stream of another device");
  return cuda_stream->get();
}

cudaStream_t native_compute_stream() { return native_stream(cuda_device().compute_stream()); }

}  // namespace ringworld
