#pragma once
/// @file  Collectives of device memory by MPI, driven from the host. Included by src/comm/mpi only.
///
/// MPI matches the collectives of a communicator by the order in which ranks start them. Here MPI gets to know of a
/// collective, or of its next piece, only when the GPU has got so far, which ranks notice at different times. So the
/// collectives of a communicator stand in a queue, in the order in which the program started them, and only the first is
/// driven.

#include <deque>
#include <memory>

#include "comm/collectives_impl.hpp"
#include "device/device.hpp"

namespace ringworld {

/// One collective in the queue.
class QueuedCollective {
 public:
  explicit QueuedCollective(Device& place) : place_(place), begin_(place.make_event()), end_(place.make_event()) {
    begin_->record(place.compute_stream());
  }
  virtual ~QueuedCollective() = default;

  /// Takes it as far as it can go now, and does not block. True when all its messages have ended.
  virtual bool drive() = 0;

  /// The device whose memory is moved.
  [[nodiscard]] Device& place() const { return place_; }
  /// The compute stream when the program started the collective.
  [[nodiscard]] const Event& begin() const { return *begin_; }
  /// Reached when the result is there; recorded by `drive` behind what it leaves enqueued, if anything.
  [[nodiscard]] Event& end() const { return *end_; }

 private:
  Device& place_;
  std::unique_ptr<Event> begin_;
  std::unique_ptr<Event> end_;
};

class CollectiveQueue {
 public:
  /// Appends `collective`. What is returned drives the queue.
  [[nodiscard]] Pending add(const Communicator& communicator, std::shared_ptr<QueuedCollective> collective);
  /// Drives the first of the queue, and the next when it is through.
  void drive();
  [[nodiscard]] bool holds(const QueuedCollective& collective) const;

 private:
  std::deque<std::shared_ptr<QueuedCollective>> waiting_;
};

}  // namespace ringworld
