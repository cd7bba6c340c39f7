#pragma once
/// @file  The pending work of this process's GPU, reported to the watchdog (core/activity.hpp) by the code that waits
/// for it.
///
///   compute stream  --[ ring step 1 ]--o--( hop 1 is here )--o--[ ring step 2 ]--o--[ ring step 3 ...
///                                      |                     |                  |
///   marks                          "ring step 1"           "hop 1"          "ring step 2"
///
/// Every mark that the stream has passed is progress; the first that it has not passed is what the process waits for.
/// So a long queue of work is no standstill, and a kernel that hangs is named with its step, on the rank that it hangs
/// on: other ranks wait for a hop. In a trace (core/trace.hpp) each mark is a span of the device, from the end of the mark
/// before, or from when it was enqueued if that was later. All waits for the device end in `wait_for_device`, and the watchdog can end the
/// process in the middle of one.

#include <functional>
#include <optional>

#include "core/activity.hpp"
#include "device/device.hpp"

namespace ringworld {

/// Names the work that has been enqueued on the device's compute stream since the last mark. Nothing where work
/// has ended when its call returns.
void mark_device_work(Device& device, PhaseName name);

/// A phase for what the device is at, none where it has no marked work: for loops that wait for it and for other
/// things.
class DeviceActivity {
 public:
  /// Drops the marks that the stream has passed; the phase becomes that of the first mark that it has not passed. Does
  /// not block.
  void sample();

 private:
  std::optional<Phase> phase_;
  std::uint64_t mark_ = 0;  // that the phase is of, or would be
};

/// Polls until `has_ended()`, ever less often.
void wait_for_device(const std::function<bool()>& has_ended);

}  // namespace ringworld
