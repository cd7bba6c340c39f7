#pragma once
/// @file  Arrays of the GPU for tests, and the tests that need one.

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "device/buffer.hpp"
#include "support/available_device.hpp"

namespace ringworld::test {

/// An array in device memory that is sent and fetched whole, after and before all else on the compute stream.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(const std::vector<T>& values)
      : buffer_(static_cast<std::int64_t>(values.size() * sizeof(T)), DeviceKind::cuda), count_(values.size()) {
    Device& gpu = cuda_device();
    gpu.copy(buffer_.data(), values.data(), buffer_.bytes(), gpu.compute_stream());
  }
  [[nodiscard]] T* data() const { return buffer_.as<T>(); }
  [[nodiscard]] std::vector<T> fetch() const {
    Device& gpu = cuda_device();
    std::vector<T> values(count_);
    gpu.copy(values.data(), buffer_.data(), buffer_.bytes(), gpu.compute_stream());
    gpu.compute_stream().synchronize();
    return values;
  }

 private:
  Buffer buffer_;
  std::size_t count_;
};

/// Skips where there is no GPU.
class CudaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string reason = why_unavailable(DeviceKind::cuda); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
  }
};

}  // namespace ringworld::test
