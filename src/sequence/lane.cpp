#include "sequence/lane.hpp"

#include "comm/device_choice.hpp"
#include "core/error.hpp"
#include "core/simulated_ranks.hpp"

namespace ringworld {
namespace {

std::span<float> floats_of(std::span<std::byte> bytes) {
  return {reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float)};
}

}  // namespace

Lane::Lane(const Communicator& ranks, const ShiftOptions& options, LaneName name, std::vector<int> nodes)
    : ranks_(is_of_hops(name) ? ranks : ranks.duplicate()), memory_(options.memory), nodes_(std::move(nodes)) {
  if (is_of_hops(name)) {
    shift_.emplace(ranks, options);
  }
}

void Lane::start(const Transfer& transfer, const Slots& slots, const PieceBytes& bytes) {
  require((transfer.motion == Motion::send_receive) == shift_.has_value(), "a transfer is not of the kind of its lane");
  if (shift_.has_value()) {
    start_hop(transfer, slots, bytes);
  } else {
    start_collective(transfer, slots, bytes);
  }
}

void Lane::start_hop(const Transfer& transfer, const Slots& slots, const PieceBytes& bytes) {
  std::span<const std::byte> sent;
  std::span<std::byte> received;
  if (transfer.to != none) {
    sent = slots.part(transfer.from_slot, bytes(transfer.cargo, transfer.sent));
  }
  if (transfer.from != none) {
    received = slots.part(transfer.to_slot, bytes(transfer.cargo, transfer.received));
  }
  shift_->start({.to = transfer.to, .from = transfer.from}, sent, received);
  ++traffic_.hops;
  traffic_.messages += sent.empty() ? 0 : 1;
  traffic_.bytes += static_cast<std::int64_t>(sent.size());
  if (transfer.to != none &&
      nodes_[static_cast<std::size_t>(transfer.to)] != nodes_[static_cast<std::size_t>(ranks_.rank())]) {
    traffic_.bytes_between_nodes += static_cast<std::int64_t>(sent.size());
  }
}

RankBlocks Lane::blocks_of(const Transfer& transfer, const Slots& slots, const PieceBytes& bytes) const {
  RankBlocks blocks{.memory = slots.slot(transfer.from_slot), .distance = slots.slot_bytes, .bytes = {}};
  for (int rank = 0; rank < ranks_.size(); ++rank) {
    Piece piece = transfer.sent;
    piece.origin = rank;
    blocks.bytes.push_back(bytes(transfer.cargo, piece).count);
  }
  return blocks;
}

void Lane::start_collective(const Transfer& transfer, const Slots& slots, const PieceBytes& bytes) {
  ++traffic_.hops;
  count_collective(transfer, bytes);
  const int owner = transfer.sent.origin;
  const auto moved = [&] { return slots.part(transfer.from_slot, bytes(transfer.cargo, transfer.sent)); };
  switch (transfer.motion) {
    case Motion::all_gather:
      collective_ = start_all_gather(ranks_, blocks_of(transfer, slots, bytes), memory_);
      return;
    case Motion::reduce_scatter:
      collective_ = start_reduce_scatter(ranks_, blocks_of(transfer, slots, bytes), memory_);
      return;
    case Motion::broadcast:
      collective_ = start_broadcast(ranks_, moved(), owner, memory_);
      return;
    case Motion::reduce:
      collective_ = start_reduce(ranks_, floats_of(moved()), owner, Reduction::sum, memory_);
      return;
    case Motion::reduce_maximum:
      collective_ = start_all_reduce(ranks_, floats_of(moved()), Reduction::max, memory_);
      return;
    case Motion::send_receive:
      break;
  }
  throw Error(ErrorKind::internal, "a hop is no collective");
}

void Lane::count(std::int64_t bytes, int to) {
  traffic_.bytes += bytes;
  traffic_.messages += bytes > 0 ? 1 : 0;
  if (nodes_[static_cast<std::size_t>(to)] != nodes_[static_cast<std::size_t>(ranks_.rank())]) {
    traffic_.bytes_between_nodes += bytes;
  }
}

void Lane::count_collective(const Transfer& transfer, const PieceBytes& bytes) {
  const int rank = ranks_.rank();
  const int owner = transfer.sent.origin;
  for (int other = 0; other < ranks_.size(); ++other) {
    if (other == rank) {
      continue;
    }
    Piece of_other = transfer.sent;
    of_other.origin = other;
    const bool gives = transfer.motion == Motion::reduce || transfer.motion == Motion::reduce_maximum;
    const bool spreads = transfer.motion == Motion::broadcast || transfer.motion == Motion::reduce_maximum;
    if (transfer.motion == Motion::all_gather) {
      count(bytes(transfer.cargo, transfer.sent).count, other);
    } else if (transfer.motion == Motion::reduce_scatter) {
      count(bytes(transfer.cargo, of_other).count, other);
    } else if ((spreads && rank == owner) || (gives && other == owner)) {
      count(bytes(transfer.cargo, transfer.sent).count, other);
    }
  }
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
  if (are_ranks_simulated()) {
    return false;
  }
  return is_within_reach_of_mpi(memory_) || transport_of(ranks_, memory_) != Transport::nccl;
}

void Lane::reset_traffic() {
  traffic_ = {};
  if (shift_.has_value()) {
    shift_->reset_traffic();
  }
}

}  // namespace ringworld
