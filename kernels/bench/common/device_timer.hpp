#pragma once
/// @file  Seconds that work takes on a device, by events in its stream.

#include <memory>

#include "device/device.hpp"

namespace ringworld::bench {

class DeviceTimer {
 public:
  explicit DeviceTimer(Device& device)
      : stream_(device.compute_stream()), start_(device.make_timing_event()), end_(device.make_timing_event()) {}

  /// Blocks until what `operation` enqueued has ended.
  template <class Operation>
  double seconds_of(Operation&& operation) {
    start_->record(stream_);
    operation();
    end_->record(stream_);
    end_->synchronize();
    return end_->seconds_since(*start_);
  }

 private:
  Stream& stream_;
  std::unique_ptr<Event> start_;
  std::unique_ptr<Event> end_;
};

}  // namespace ringworld::bench
