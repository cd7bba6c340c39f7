#include "comm/mpi/collective_queue.hpp"

#include <algorithm>
#include <exception>

namespace ringworld {
namespace {

class QueuedPending final : public PendingCollective::Impl {
 public:
  QueuedPending(Communicator communicator, CollectiveQueue& queue, std::shared_ptr<QueuedCollective> collective)
      : communicator_(std::move(communicator)), queue_(queue), collective_(std::move(collective)) {}

  ~QueuedPending() override {
    // An error that unwinds this rank alone must not wait for ranks that will never come.
    if (std::uncaught_exceptions() > exceptions_) {
      return;
    }
    try {
      wait();
    } catch (const std::exception&) {  // has no one to go to
    }
  }
  QueuedPending(const QueuedPending&) = delete;
  QueuedPending& operator=(const QueuedPending&) = delete;

  bool test() override {
    queue_.drive();
    return !queue_.holds(*collective_) && collective_->end().has_happened();
  }

  void wait() override {
    while (queue_.holds(*collective_)) {
      queue_.drive();
    }
    collective_->place().compute_stream().wait_for(collective_->end());
  }

 private:
  Communicator communicator_;  // owns the queue
  CollectiveQueue& queue_;
  std::shared_ptr<QueuedCollective> collective_;
  int exceptions_ = std::uncaught_exceptions();
};

}  // namespace

Pending CollectiveQueue::add(const Communicator& communicator, std::shared_ptr<QueuedCollective> collective) {
  waiting_.push_back(collective);
  drive();
  return std::make_unique<QueuedPending>(communicator, *this, std::move(collective));
}

void CollectiveQueue::drive() {
  while (!waiting_.empty() && waiting_.front()->drive()) {
    waiting_.pop_front();
  }
}

bool CollectiveQueue::holds(const QueuedCollective& collective) const {
  return std::ranges::any_of(waiting_, [&](const auto& other) { return other.get() == &collective; });
}

}  // namespace ringworld
