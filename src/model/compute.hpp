#pragma once
/// @file  The backend that the parts of a model compute with. Only this file knows in which memory their buffers are.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>

#include "device/buffer.hpp"
#include "device/dual_buffer.hpp"
#include "device/profile.hpp"
#include "kernels/matmul/matmul.hpp"
#include "kernels/tensor/tensor.hpp"

namespace ringworld {

/// One backend with its memory, products and tensor operations. Kernels are enqueued on the device's compute stream in
/// the order of the calls, so that parts of a model hand buffers to each other without waiting.
class Compute {
 public:
  /// @param profile  must outlive this     @param progress  called between pieces of work: drives communication
  /// @throws Error(bad_input) when the backend was not built.
  Compute(Backend backend, std::int64_t threads, Profile& profile, std::function<void()> progress)
      : backend_(backend),
        options_{.threads = static_cast<int>(threads)},
        tensors_(make_tensor_ops(backend, options_)),
        matmul_(make_matmul(backend, options_)),
        profile_(profile),
        progress_(std::move(progress)) {}

  [[nodiscard]] Backend backend() const { return backend_; }
  [[nodiscard]] const KernelOptions& kernel_options() const { return options_; }
  /// Memory that kernels of this backend read and write.
  [[nodiscard]] DeviceKind memory() const { return device_of(backend_); }

  /// @throws Error(out_of_memory)
  [[nodiscard]] Buffer allocate(std::int64_t bytes, MemoryUse use = MemoryUse::scratch) const {
    return Buffer(bytes, memory(), use);
  }
  [[nodiscard]] Buffer allocate_floats(std::int64_t count) const {
    return allocate(count * static_cast<std::int64_t>(sizeof(float)));
  }
  /// Memory for data that host code writes or reads.
  template <class T>
  [[nodiscard]] DualArray<T> allocate_dual(std::int64_t count) const {
    return DualArray<T>(count, memory());
  }

  [[nodiscard]] TensorOps& tensors() { return *tensors_; }
  [[nodiscard]] Matmul& matmul() { return *matmul_; }
  /// Attributes everything that is enqueued during the scope's lifetime to `work`.
  [[nodiscard]] Profile::Scope scope(Work work) { return profile_.scope(work); }
  void progress() const { progress_(); }

 private:
  Backend backend_;
  KernelOptions options_;
  std::unique_ptr<TensorOps> tensors_;
  std::unique_ptr<Matmul> matmul_;
  Profile& profile_;
  std::function<void()> progress_;
};

}  // namespace ringworld
