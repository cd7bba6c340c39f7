#include "device/device_activity.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <memory>
#include <thread>
#include <utility>

namespace ringworld {
namespace {

using Clock = std::chrono::steady_clock;

struct Mark {
  std::unique_ptr<Event> passed;
  PhaseName name;
};

/// The marks of the process's one compute stream, in its order.
struct Marks {
  std::deque<Mark> ahead;   // not known to be passed
  std::uint64_t first = 1;  // number of the first of them

  void forget_passed() {
    while (!ahead.empty() && ahead.front().passed->has_happened()) {
      ahead.pop_front();
      ++first;
      note_progress();
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
  if (device.kind() == DeviceKind::host) {
    return;
  }
  marks().forget_passed();
  Mark& mark = marks().ahead.emplace_back(Mark{.passed = device.make_event(), .name = std::move(name)});
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
