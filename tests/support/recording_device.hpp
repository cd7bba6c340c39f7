#pragma once
/// @file  A device that adds up what kernels charge to it, and has another one do everything else.

#include <utility>

#include "device/device.hpp"

namespace ringworld::test {

class RecordingDevice final : public Device {
 public:
  explicit RecordingDevice(Device& real) : real_(real) {}

  bool charge(const Cost& cost, const Progress& /*progress*/) override {
    charged_ = charged_ + cost;
    ++calls_;
    return true;
  }
  /// What was charged since the last call of this function.
  Cost take() { return std::exchange(charged_, {}); }
  [[nodiscard]] int calls() const { return calls_; }

  [[nodiscard]] DeviceKind kind() const override { return real_.kind(); }
  [[nodiscard]] DeviceKind staging() const override { return real_.staging(); }
  [[nodiscard]] std::string name() const override { return real_.name(); }
  [[nodiscard]] std::int64_t available_bytes() const override { return real_.available_bytes(); }
  [[nodiscard]] void* allocate(std::int64_t bytes) override { return real_.allocate(bytes); }
  void release(void* data, std::int64_t bytes) noexcept override { real_.release(data, bytes); }
  [[nodiscard]] std::unique_ptr<Stream> make_stream() override { return real_.make_stream(); }
  [[nodiscard]] std::unique_ptr<Event> make_event() override { return real_.make_event(); }
  [[nodiscard]] Stream& compute_stream() override { return real_.compute_stream(); }
  void copy(void* to, const void* from, std::int64_t bytes, Stream& stream) override {
    real_.copy(to, from, bytes, stream);
  }
  void fill_zero(void* to, std::int64_t bytes, Stream& stream) override { real_.fill_zero(to, bytes, stream); }

 private:
  Device& real_;
  Cost charged_;
  int calls_ = 0;
};

}  // namespace ringworld::test
