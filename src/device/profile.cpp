#include "device/profile.hpp"

#include <utility>

#include "core/activity.hpp"
#include "core/error.hpp"

namespace ringworld {

Profile::Scope::Scope(Profile* profile, Work work)
    : profile_(profile), region_(work_names[static_cast<std::size_t>(work)]) {
  note_progress();  // every operation of a model has a scope
  if (profile_ != nullptr) {
    outer_ = profile_->turn_to(static_cast<int>(work));
  }
}

Profile::Scope::~Scope() {
  if (profile_ == nullptr) {
    return;
  }
  try {
    profile_->turn_to(outer_);
  } catch (const Error&) {
    // A device that cannot record an event has failed: whoever uses it next says so, where it can be caught.
  }
}

void Profile::start() {
  require(current_ == none, "profile: a scope is open");
  is_on_ = true;
  used_ = 0;
}

int Profile::turn_to(int work) {
  if (used_ == marks_.size()) {
    marks_.push_back({.event = device_.make_timing_event()});
  }
  Mark& mark = marks_[used_++];
  mark.event->record(device_.compute_stream());
  mark.work = work;
  return std::exchange(current_, work);
}

WorkSeconds Profile::collect() {
  require(current_ == none, "profile: a scope is open");
  device_.compute_stream().synchronize();
  WorkSeconds total;
  for (std::size_t i = 0; i + 1 < used_; ++i) {
    if (marks_[i].work != none) {
      total[static_cast<Work>(marks_[i].work)] += marks_[i + 1].event->seconds_since(*marks_[i].event);
    }
  }
  used_ = 0;
  return total;
}

}  // namespace ringworld
