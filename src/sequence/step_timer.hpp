#pragma once
/// @file  Times of ring steps, taken where the steps run: by events of the compute stream, which a GPU passes long after the
/// host enqueued them, or on the host at once.

#include <memory>
#include <vector>

#include "device/device.hpp"

namespace ringworld {

class StepTimer {
 public:
  /// @param seconds  where the times go; null: nothing is timed
  StepTimer(Device& device, std::vector<double>* seconds) : device_(device), seconds_(seconds) {}

  [[nodiscard]] bool is_timing() const { return seconds_ != nullptr; }
  void begin() { mark(); }
  void end() { mark(); }
  /// Waits for the last step and appends the seconds of all.
  void finish();

 private:
  void mark();

  Device& device_;
  std::vector<double>* seconds_;
  std::vector<std::unique_ptr<Event>> marks_;  // begin and end of each step in turn
};

}  // namespace ringworld
