#pragma once
/// @file  Seconds that work takes on the GPU, by events in its stream.

#include <memory>

#include "device/device.hpp"

namespace ringworld::bench {

class DeviceTimer {
 public:
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
  Stream& stream_ = cuda_device().compute_stream();
  std::unique_ptr<Event> start_ = cuda_device().make_timing_event();
  std::unique_ptr<Event> end_ = cuda_device().make_timing_event();
};

}  // namespace ringworld::bench
