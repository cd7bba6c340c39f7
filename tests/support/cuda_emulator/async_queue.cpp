#include "support/cuda_emulator/async_queue.hpp"

#include <utility>

#include "support/cuda_emulator/block.hpp"

namespace cuda_emulator {

void AsyncQueue::run(Group& group) {
  for (const auto& operation : group) {
    operation();
  }
  group.clear();
}

void AsyncQueue::add(std::function<void()> operation) {
  ++added_;
  open_.push_back(std::move(operation));
  if (toss_coin()) {
    // In order: what came before has to have run.
    for (Group& group : groups_) {
      run(group);
    }
    run(open_);
  }
}

void AsyncQueue::commit() { groups_.push_back(std::exchange(open_, {})); }

void AsyncQueue::wait(std::size_t pending) {
  while (groups_.size() > pending) {
    run(groups_.front());
    groups_.erase(groups_.begin());
  }
}

bool AsyncQueue::is_idle() const {
  bool is_idle = open_.empty();
  for (const Group& group : groups_) {
    is_idle = is_idle && group.empty();
  }
  return is_idle;
}

}  // namespace cuda_emulator
