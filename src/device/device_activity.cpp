#include "device/device_activity.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <thread>
#include <utility>

#include "core/clock.hpp"
#include "core/trace.hpp"

namespace ringworld {
namespace {

using Clock = std::chrono::steady_clock;

struct Mark {
  std::unique_ptr<Event> passed;
  PhaseName name;
  double enqueued = 0;  // s; when traced
};

/// Brings times of events to the clock of the host.
class DeviceClock {
 public:
  /// Waits for the stream's work so far, once.
  explicit DeviceClock(Device& device) : zero_(device.make_timing_event()) {
    zero_->record(device.compute_stream());
    zero_->synchronize();
    zero_seconds_ = now_seconds();
  }

  [[nodiscard]] double seconds_of(const Event& event) const { return zero_seconds_ + event.seconds_since(*zero_); }

 private:
  std::unique_ptr<Event> zero_;
  double zero_seconds_ = 0;
};

/// The marks of the process's one compute stream, in its order.
struct Marks {
  std::deque<Mark> ahead;            // not known to be passed
  std::uint64_t first = 1;           // number of the first of them
  std::optional<DeviceClock> clock;  // since the first mark that was traced
  double last_passed = 0;

  void forget_passed() {
    while (!ahead.empty() && ahead.front().passed->has_happened()) {
      trace(ahead.front());
      ahead.pop_front();
      ++first;
      note_progress();
    }
  }

  void trace(const Mark& mark) {
    if (mark.enqueued > 0) {
      const double passed = clock->seconds_of(*mark.passed);
      add_to_trace({.track = TraceTrack::device,
                    .name = mark.name.text,
                    .begin = std::min(passed, std::max(last_passed, mark.enqueued)),
                    .end = passed});
      last_passed = passed;
    }
  }
};

Marks& marks() {
  static Marks instance;
  return instance;
}

/// Between two looks: nothing for a while, as short kernels end soon; then a thousandth of what has been waited, which
/// no timing sees and which leaves the core to others.
void pause(Clock::time_point begin) {
  constexpr auto eager = std::chrono::milliseconds(20);
  constexpr std::chrono::nanoseconds longest = std::chrono::milliseconds(1);
  const std::chrono::nanoseconds waited = Clock::now() - begin;
  if (waited < eager) {
    std::this_thread::yield();
  } else {
    std::this_thread::sleep_for(std::min(waited / 1000, longest));
  }
}

}  // namespace

void mark_device_work(Device& device, PhaseName name) {
  if (works_in_calls(device.kind())) {
    return;
  }
  marks().forget_passed();
  const bool is_traced = is_tracing();
  if (is_traced && !marks().clock.has_value()) {
    marks().clock.emplace(device);
  }
  Mark& mark = marks().ahead.emplace_back(Mark{.passed = is_traced ? device.make_timing_event() : device.make_event(),
                                               .name = std::move(name),
                                               .enqueued = is_traced ? now_seconds() : 0});
  mark.passed->record(device.compute_stream());
}

void DeviceActivity::sample() {
  marks().forget_passed();
  if (mark_ == marks().first) {
    return;
  }
  phase_.reset();
  mark_ = marks().first;
  if (!marks().ahead.empty()) {
    phase_.emplace(marks().ahead.front().name);
  }
}

void wait_for_device(const std::function<bool()>& has_ended) {
  if (has_ended()) {
    return;
  }
  const Phase waiting("waiting for the GPU");
  DeviceActivity activity;
  for (const Clock::time_point begin = Clock::now(); !has_ended(); pause(begin)) {
    activity.sample();
  }
}

}  // namespace ringworld
