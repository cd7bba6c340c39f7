#include "comm/mpi/staged_collective.hpp"

#include <mpi.h>

#include <algorithm>

#include "comm/message_size.hpp"
#include "core/error.hpp"

namespace ringworld {
namespace {

constexpr auto bytes_of_float = static_cast<std::int64_t>(sizeof(float));

/// The `index`-th stretch of `length` bytes, as far as the block reaches; may be empty.
std::span<std::byte> part_of(std::span<std::byte> block, std::int64_t index, std::int64_t length) {
  const std::int64_t offset = std::min(index * length, std::ssize(block));
  return block.subspan(static_cast<std::size_t>(offset),
                       static_cast<std::size_t>(std::min(length, std::ssize(block) - offset)));
}

}  // namespace

StagingArea::StagingArea(const Communicator& communicator, Device& device)
    : place(device),
      ranks(communicator.size()),
      piece_floats(std::max<std::int64_t>(1, default_chunk_bytes / bytes_of_float / ranks)),
      stream(device.make_stream()) {
  for (Slot& slot : slots) {
    slot.outgoing = Buffer(slot_bytes(), place.staging());
    slot.incoming = Buffer(slot_bytes(), place.staging());
    slot.copied = place.make_event();
  }
}

StagingArea::Slot& StagedPieces::slot_of(std::int64_t index) const {
  return area_.slots[static_cast<std::size_t>(index) % area_.slots.size()];
}

bool StagedPieces::drive() {
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
    std::array<MPI_Request, 2>& requests = slot_of(arrived_).requests;
    check_mpi(MPI_Testall(static_cast<int>(requests.size()), requests.data(), &is_done, MPI_STATUSES_IGNORE));
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

std::int64_t StagedCollective::pieces() const {
  return (problem_.shard_floats + area().piece_floats - 1) / area().piece_floats;
}

StagedCollective::Piece StagedCollective::piece(std::int64_t index) const {
  const std::int64_t offset = index * area().piece_floats;
  return {.offset = offset, .floats = std::min(area().piece_floats, problem_.shard_floats - offset)};
}

void StagedCollective::copy_out(std::int64_t index) {
  const auto [offset, floats] = piece(index);
  StagingArea::Slot& slot = slot_of(index);
  const std::int64_t shards = problem_.kind == StagedKind::reduce_scatter ? area().ranks : 1;
  for (std::int64_t shard = 0; shard < shards; ++shard) {
    area().place.copy(slot.outgoing.as<float>() + shard * floats,
                      problem_.from + shard * problem_.shard_floats + offset, floats * bytes_of_float, *area().stream);
  }
  slot.copied->record(*area().stream);
}

void StagedCollective::post(std::int64_t index) {
  StagingArea::Slot& slot = slot_of(index);
  const auto count = static_cast<int>(piece(index).floats);
  switch (problem_.kind) {
    case StagedKind::all_gather:
      check_mpi(MPI_Iallgather(slot.outgoing.data(), count, MPI_FLOAT, slot.incoming.data(), count, MPI_FLOAT,
                               communicator_, slot.requests.data()));
      break;
    case StagedKind::reduce_scatter:
      check_mpi(MPI_Ireduce_scatter_block(slot.outgoing.data(), slot.incoming.data(), count, MPI_FLOAT, MPI_SUM,
                                          communicator_, slot.requests.data()));
      break;
  }
}

void StagedCollective::copy_in(std::int64_t index) {
  const auto [offset, floats] = piece(index);
  StagingArea::Slot& slot = slot_of(index);
  const std::int64_t shards = problem_.kind == StagedKind::all_gather ? area().ranks : 1;
  for (std::int64_t shard = 0; shard < shards; ++shard) {
    area().place.copy(problem_.to + shard * problem_.shard_floats + offset, slot.incoming.as<float>() + shard * floats,
                      floats * bytes_of_float, *area().stream);
  }
  slot.copied->record(*area().stream);
}

StagedBlocks::StagedBlocks(const Communicator& communicator, StagingArea& area, StagedKind kind,
                           const RankBlocks& blocks)
    : StagedPieces(area),
      communicator_(MpiAccess::handle(communicator)),
      rank_(static_cast<std::size_t>(communicator.rank())),
      kind_(kind),
      blocks_(blocks) {}

std::int64_t StagedBlocks::piece_bytes() const { return area().piece_floats * bytes_of_float; }

std::int64_t StagedBlocks::pieces() const {
  const std::int64_t longest = std::ranges::max(blocks_.bytes);
  return (longest + piece_bytes() - 1) / piece_bytes();
}

std::int64_t StagedBlocks::bytes_in(std::int64_t index, std::size_t rank) const {
  return std::clamp<std::int64_t>(blocks_.bytes[rank] - index * piece_bytes(), 0, piece_bytes());
}

std::byte* StagedBlocks::device_memory(std::int64_t index, std::size_t rank) const {
  return blocks_.memory + static_cast<std::int64_t>(rank) * blocks_.distance + index * piece_bytes();
}

void StagedBlocks::copy_out(std::int64_t index) {
  StagingArea::Slot& slot = slot_of(index);
  std::byte* to = slot.outgoing.as<std::byte>();
  for (std::size_t rank = 0; rank < blocks_.bytes.size(); ++rank) {
    if (kind_ == StagedKind::reduce_scatter || rank == rank_) {
      area().place.copy(to, device_memory(index, rank), bytes_in(index, rank), *area().stream);
      to += bytes_in(index, rank);
    }
  }
  slot.copied->record(*area().stream);
}

void StagedBlocks::post(std::int64_t index) {
  StagingArea::Slot& slot = slot_of(index);
  const std::int64_t unit = kind_ == StagedKind::reduce_scatter ? bytes_of_float : 1;
  std::vector<int>& counts = counts_[static_cast<std::size_t>(index) % counts_.size()];
  std::vector<int>& places = places_[static_cast<std::size_t>(index) % places_.size()];
  counts.clear();
  places.clear();
  std::int64_t place = 0;
  for (std::size_t rank = 0; rank < blocks_.bytes.size(); ++rank) {
    counts.push_back(static_cast<int>(bytes_in(index, rank) / unit));
    places.push_back(static_cast<int>(place));
    place += bytes_in(index, rank) / unit;
  }
  if (kind_ == StagedKind::reduce_scatter) {
    check_mpi(MPI_Ireduce_scatter(slot.outgoing.data(), slot.incoming.data(), counts.data(), MPI_FLOAT, MPI_SUM,
                                  communicator_, slot.requests.data()));
  } else {
    check_mpi(MPI_Iallgatherv(slot.outgoing.data(), counts[rank_], MPI_BYTE, slot.incoming.data(), counts.data(),
                              places.data(), MPI_BYTE, communicator_, slot.requests.data()));
  }
}

void StagedBlocks::copy_in(std::int64_t index) {
  StagingArea::Slot& slot = slot_of(index);
  const std::byte* from = slot.incoming.as<std::byte>();
  for (std::size_t rank = 0; rank < blocks_.bytes.size(); ++rank) {
    const bool is_own = rank == rank_;
    if (kind_ == StagedKind::reduce_scatter ? is_own : !is_own) {
      area().place.copy(device_memory(index, rank), from, bytes_in(index, rank), *area().stream);
    }
    from += kind_ == StagedKind::all_gather ? bytes_in(index, rank) : 0;
  }
  slot.copied->record(*area().stream);
}

std::int64_t StagedVector::pieces() const {
  return (std::ssize(problem_.bytes) + area().slot_bytes() - 1) / area().slot_bytes();
}

std::span<std::byte> StagedVector::piece(std::int64_t index) const {
  return part_of(problem_.bytes, index, area().slot_bytes());
}

void StagedVector::copy_out(std::int64_t index) {
  StagingArea::Slot& slot = slot_of(index);
  if (problem_.kind != VectorKind::broadcast || is_root_) {
    area().place.copy(slot.outgoing.data(), piece(index).data(), std::ssize(piece(index)), *area().stream);
  }
  slot.copied->record(*area().stream);
}

void StagedVector::post(std::int64_t index) {
  StagingArea::Slot& slot = slot_of(index);
  const auto bytes = static_cast<int>(piece(index).size());
  const int floats = bytes / static_cast<int>(bytes_of_float);
  switch (problem_.kind) {
    case VectorKind::broadcast:
      check_mpi(MPI_Ibcast(is_root_ ? slot.outgoing.data() : slot.incoming.data(), bytes, MPI_BYTE, problem_.root,
                           communicator_, slot.requests.data()));
      break;
    case VectorKind::reduce:
      check_mpi(MPI_Ireduce(slot.outgoing.data(), slot.incoming.data(), floats, MPI_FLOAT, problem_.operation,
                            problem_.root, communicator_, slot.requests.data()));
      break;
    case VectorKind::all_reduce:
      check_mpi(MPI_Iallreduce(slot.outgoing.data(), slot.incoming.data(), floats, MPI_FLOAT, problem_.operation,
                               communicator_, slot.requests.data()));
      break;
  }
}

void StagedVector::copy_in(std::int64_t index) {
  StagingArea::Slot& slot = slot_of(index);
  if (problem_.kind == VectorKind::all_reduce || (problem_.kind == VectorKind::reduce) == is_root_) {
    area().place.copy(piece(index).data(), slot.incoming.data(), std::ssize(piece(index)), *area().stream);
  }
  slot.copied->record(*area().stream);
}

StagedExchange::StagedExchange(const Communicator& messages, StagingArea& area, const RankBlocks& sent,
                               const RankBlocks& received)
    : StagedPieces(area), messages_(MpiAccess::handle(messages)) {
  const int ranks = messages.size();
  for (int distance = 1; distance < ranks; ++distance) {
    const int to = (messages.rank() + distance) % ranks;
    const int from = (messages.rank() + ranks - distance) % ranks;
    const std::span outgoing(sent.block(to), static_cast<std::size_t>(sent.bytes[static_cast<std::size_t>(to)]));
    const std::span incoming(received.block(from),
                             static_cast<std::size_t>(received.bytes[static_cast<std::size_t>(from)]));
    const std::int64_t longest = std::max(std::ssize(outgoing), std::ssize(incoming));
    for (std::int64_t index = 0; index * area.slot_bytes() < longest; ++index) {
      pieces_.push_back({.to = to,
                         .sent = part_of(outgoing, index, area.slot_bytes()),
                         .from = from,
                         .received = part_of(incoming, index, area.slot_bytes())});
    }
  }
}

void StagedExchange::copy_out(std::int64_t index) {
  StagingArea::Slot& slot = slot_of(index);
  area().place.copy(slot.outgoing.data(), piece(index).sent.data(), std::ssize(piece(index).sent), *area().stream);
  slot.copied->record(*area().stream);
}

void StagedExchange::post(std::int64_t index) {
  StagingArea::Slot& slot = slot_of(index);
  const Piece& piece = this->piece(index);
  if (!piece.received.empty()) {
    check_mpi(MPI_Irecv(slot.incoming.data(), static_cast<int>(piece.received.size()), MPI_BYTE, piece.from, 0,
                        messages_, &slot.requests[0]));
  }
  if (!piece.sent.empty()) {
    check_mpi(MPI_Isend(slot.outgoing.data(), static_cast<int>(piece.sent.size()), MPI_BYTE, piece.to, 0, messages_,
                        &slot.requests[1]));
  }
}

void StagedExchange::copy_in(std::int64_t index) {
  StagingArea::Slot& slot = slot_of(index);
  const Piece& piece = this->piece(index);
  area().place.copy(piece.received.data(), slot.incoming.data(), std::ssize(piece.received), *area().stream);
  slot.copied->record(*area().stream);
}

}  // namespace ringworld
