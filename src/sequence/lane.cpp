#include "sequence/lane.hpp"

#include "comm/device_choice.hpp"
#include "core/error.hpp"

namespace ringworld {

Lane::Lane(const Communicator& ranks, const ShiftOptions& options, Motion motion)
    : ring_(motion == Motion::send_receive ? ranks : ranks.duplicate()), memory_(options.memory) {
  if (motion == Motion::send_receive) {
    shift_.emplace(ring_, options);
  }
}

void Lane::start(const Transfer& transfer, const Slots& slots, const BlockBytes& bytes) {
  if (transfer.motion != Motion::send_receive) {
    start_collective(transfer, slots, bytes);
    return;
  }
  require(shift_.has_value() && transfer.to == ring_.next() && transfer.from == ring_.previous(),
          "a plan has a transfer that is no hop of the ring");
  shift_->start(slots.block(transfer.from_slot, bytes(transfer.sent)),
                slots.block(transfer.to_slot, bytes(transfer.received)));
}

void Lane::start_collective(const Transfer& transfer, const Slots& slots, const BlockBytes& bytes) {
  const bool is_gathering = transfer.motion == Motion::all_gather;
  RankBlocks blocks{.memory = slots.memory, .distance = slots.slot_bytes, .bytes = {}};
  for (int rank = 0; rank < ring_.size(); ++rank) {
    blocks.bytes.push_back(bytes(rank));
  }
  ++traffic_.hops;
  for (int other = 0; other < ring_.size(); ++other) {
    const std::int64_t sent = other == ring_.rank() ? 0 : bytes(is_gathering ? ring_.rank() : other);
    traffic_.bytes += sent;
    traffic_.messages += sent > 0 ? 1 : 0;
  }
  const Communicator& ranks = ring_.communicator();
  collective_ = is_gathering ? start_all_gather(ranks, blocks, memory_) : start_reduce_scatter(ranks, blocks, memory_);
}

void Lane::test() {
  if (shift_.has_value()) {
    shift_->test();
  } else {
    collective_.test();
  }
}

void Lane::wait(const std::function<void()>& meanwhile) {
  if (shift_.has_value()) {
    shift_->wait(meanwhile);
  } else {
    collective_.wait();
  }
}

bool Lane::needs_driving() const {
  if (shift_.has_value()) {
    return shift_->needs_driving();
  }
  return memory_ == DeviceKind::host || transport_of(ring_.communicator(), memory_) != Transport::nccl;
}

const Traffic& Lane::traffic() const { return shift_.has_value() ? shift_->traffic() : traffic_; }

void Lane::reset_traffic() {
  traffic_ = {};
  if (shift_.has_value()) {
    shift_->reset_traffic();
  }
}

}  // namespace ringworld
