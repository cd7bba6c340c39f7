#include "comm/mpi/staged_collective.hpp"

#include <mpi.h>

#include <algorithm>

#include "comm/ring.hpp"
#include "core/error.hpp"

namespace ringworld {
namespace {

constexpr auto float_bytes = static_cast<std::int64_t>(sizeof(float));

}  // namespace

StagingArea::StagingArea(const Communicator& communicator, Device& device)
    : place(device),
      ranks(communicator.size()),
      piece_floats(std::max<std::int64_t>(1, default_chunk_bytes / float_bytes / ranks)),
      stream(device.make_stream()) {
  for (Slot& slot : slots) {
    slot.outgoing = Buffer(piece_floats * ranks * float_bytes, place.staging());
    slot.incoming = Buffer(piece_floats * ranks * float_bytes, place.staging());
    slot.copied = place.make_event();
  }
}

StagedCollective::StagedCollective(MPI_Comm communicator, StagingArea& area, const StagedProblem& problem)
    : QueuedCollective(area.place), communicator_(communicator), area_(area), problem_(problem) {}

std::int64_t StagedCollective::pieces() const {
  return (problem_.shard_floats + area_.piece_floats - 1) / area_.piece_floats;
}

StagedCollective::Piece StagedCollective::piece(std::int64_t index) const {
  const std::int64_t offset = index * area_.piece_floats;
  return {.offset = offset, .floats = std::min(area_.piece_floats, problem_.shard_floats - offset)};
}

StagingArea::Slot& StagedCollective::slot_of(std::int64_t index) const {
  return area_.slots[static_cast<std::size_t>(index) % area_.slots.size()];
}

bool StagedCollective::drive() {
  if (!has_begun_) {
    area_.stream->wait_for(begin());
    has_begun_ = true;
  }
  const auto slots = static_cast<std::int64_t>(area_.slots.size());
  for (; copied_out_ < std::min(pieces(), arrived_ + slots) && slot_of(copied_out_).copied->has_happened();
       ++copied_out_) {
    copy_out(copied_out_);
  }
  for (; posted_ < copied_out_ && slot_of(posted_).copied->has_happened(); ++posted_) {
    post(posted_);
  }
  for (; arrived_ < posted_; ++arrived_) {
    int is_done = 0;
    check_mpi(MPI_Test(&slot_of(arrived_).request, &is_done, MPI_STATUS_IGNORE));
    if (is_done == 0) {
      return false;
    }
    copy_in(arrived_);
  }
  if (arrived_ < pieces()) {
    return false;
  }
  end().record(*area_.stream);
  return true;
}

void StagedCollective::copy_out(std::int64_t index) {
  const auto [offset, floats] = piece(index);
  StagingArea::Slot& slot = slot_of(index);
  const std::int64_t shards = problem_.kind == StagedKind::reduce_scatter ? area_.ranks : 1;
  for (std::int64_t shard = 0; shard < shards; ++shard) {
    area_.place.copy(slot.outgoing.as<float>() + shard * floats, problem_.from + shard * problem_.shard_floats + offset,
                     floats * float_bytes, *area_.stream);
  }
  slot.copied->record(*area_.stream);
}

void StagedCollective::post(std::int64_t index) {
  StagingArea::Slot& slot = slot_of(index);
  const auto count = static_cast<int>(piece(index).floats);
  switch (problem_.kind) {
    case StagedKind::all_gather:
      check_mpi(MPI_Iallgather(slot.outgoing.data(), count, MPI_FLOAT, slot.incoming.data(), count, MPI_FLOAT,
                               communicator_, &slot.request));
      break;
    case StagedKind::reduce_scatter:
      check_mpi(MPI_Ireduce_scatter_block(slot.outgoing.data(), slot.incoming.data(), count, MPI_FLOAT,
                                          problem_.operation, communicator_, &slot.request));
      break;
    case StagedKind::all_reduce:
      check_mpi(MPI_Iallreduce(slot.outgoing.data(), slot.incoming.data(), count, MPI_FLOAT, problem_.operation,
                               communicator_, &slot.request));
      break;
  }
}

void StagedCollective::copy_in(std::int64_t index) {
  const auto [offset, floats] = piece(index);
  StagingArea::Slot& slot = slot_of(index);
  const std::int64_t shards = problem_.kind == StagedKind::all_gather ? area_.ranks : 1;
  for (std::int64_t shard = 0; shard < shards; ++shard) {
    area_.place.copy(problem_.to + shard * problem_.shard_floats + offset, slot.incoming.as<float>() + shard * floats,
                     floats * float_bytes, *area_.stream);
  }
  slot.copied->record(*area_.stream);
}

}  // namespace ringworld
