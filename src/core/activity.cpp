#include "core/activity.hpp"

#include <atomic>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include "core/simulated_ranks.hpp"

namespace ringworld {
namespace {

/// An open phase.
struct Frame {
  const Phase* owner = nullptr;
  fmt::string_view format;
  std::array<std::int64_t, 3> values{};
  bool is_waiting = false;
  bool is_name = false;  ///< `format` is printed as it is
};

/// A process has one: what it does is a fact of the whole process. Of simulated ranks each has its own.
struct OpenPhases {
  std::atomic<std::uint64_t> progress{0};
  std::atomic<double> patience{0};
  std::mutex mutex;  // of the frames
  std::vector<Frame> frames;
};

OpenPhases& open_phases() {
  if (!are_ranks_simulated()) {
    static OpenPhases instance;
    return instance;
  }
  static std::deque<OpenPhases> of_ranks;
  while (of_ranks.size() <= simulated_rank()) {
    of_ranks.emplace_back();
  }
  return of_ranks[simulated_rank()];
}

void open(const Frame& frame) {
  OpenPhases& phases = open_phases();
  {
    const std::lock_guard lock(phases.mutex);
    phases.frames.push_back(frame);
  }
  note_progress();
}

}  // namespace

void note_progress() noexcept { open_phases().progress.fetch_add(1, std::memory_order_relaxed); }

Phase::Phase(fmt::string_view format, const std::array<std::int64_t, 3>& values, bool is_waiting) {
  open({.owner = this, .format = format, .values = values, .is_waiting = is_waiting, .is_name = false});
}

Phase::Phase(PhaseName name) : name_(std::move(name.text)) {
  open({.owner = this, .format = name_, .values = {}, .is_waiting = name.is_waiting, .is_name = true});
}

Phase::~Phase() {
  OpenPhases& phases = open_phases();
  {
    const std::lock_guard lock(phases.mutex);
    // The innermost by far most often; another thread that says its last words may have one above it.
    std::erase_if(phases.frames, [this](const Frame& frame) { return frame.owner == this; });
  }
  note_progress();
}

Patience::Patience(double seconds) { open_phases().patience = seconds; }

Patience::~Patience() { open_phases().patience = 0; }

Activity current_activity() {
  OpenPhases& phases = open_phases();
  Activity activity;
  activity.progress = phases.progress.load(std::memory_order_relaxed);
  activity.patience = phases.patience;
  const std::lock_guard lock(phases.mutex);
  for (const Frame& frame : phases.frames) {
    activity.phase += activity.phase.empty() ? "" : ", ";
    activity.phase +=
        frame.is_name
            ? std::string(frame.format.data(), frame.format.size())
            : fmt::vformat(frame.format, fmt::make_format_args(frame.values[0], frame.values[1], frame.values[2]));
  }
  activity.is_waiting = !phases.frames.empty() && phases.frames.back().is_waiting;
  return activity;
}

}  // namespace ringworld
