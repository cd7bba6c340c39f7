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
  LazyName name;
  bool is_waiting = false;
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

Phase::Phase(const LazyName& name, bool is_waiting) : region_(name) {
  open({.owner = this, .name = name, .is_waiting = is_waiting});
}

Phase::Phase(PhaseName name) : text_(std::move(name.text)), region_(text_) {
  open({.owner = this, .name = LazyName::of_text(text_), .is_waiting = name.is_waiting});
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
    activity.phase += frame.name.to_string();
  }
  activity.is_waiting = !phases.frames.empty() && phases.frames.back().is_waiting;
  return activity;
}

}  // namespace ringworld
