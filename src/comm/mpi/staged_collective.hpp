#pragma once
/// @file  Collectives of device memory through pinned host memory, in pieces. Included by src/comm/mpi only.
///
///   piece p     device ==copy==> pinned --MPI--> pinned ==copy==> device
///   piece p+1               device ==copy==> pinned --MPI--> ...            two pieces at a time
///
/// A piece of a shard of n floats is a stretch of it; of a whole vector (n times ranks) it is that stretch of every shard.

#include <array>
#include <functional>

#include "comm/mpi/collective_queue.hpp"
#include "comm/mpi/mpi_handles.hpp"
#include "device/buffer.hpp"

namespace ringworld {

/// The pinned memory and the stream of a communicator's collectives.
struct StagingArea {
  StagingArea(const Communicator& communicator, Device& device);

  struct Slot {
    Buffer outgoing;                ///< piece_floats of every rank
    Buffer incoming;                ///< the same
    std::unique_ptr<Event> copied;  ///< after the last copy from or to the slot
    MPI_Request request = MPI_REQUEST_NULL;
  };

  Device& place;  ///< whose memory the operands are
  std::int64_t ranks;
  std::int64_t piece_floats;  ///< of a shard
  std::unique_ptr<Stream> stream;
  std::array<Slot, 2> slots;
};

enum class StagedKind : std::uint8_t { all_gather, reduce_scatter, all_reduce };

/// What one collective moves. An all-reduce has the same shard on both sides.
struct StagedProblem {
  StagedKind kind = StagedKind::all_gather;
  const float* from = nullptr;    ///< device: a shard, or all of them in a reduce-scatter
  float* to = nullptr;            ///< device: all shards in an all-gather, else one
  std::int64_t shard_floats = 0;  ///< n
  MPI_Op operation = MPI_OP_NULL;
};

class StagedCollective final : public QueuedCollective {
 public:
  /// @param area  of the communicator; outlives the collective
  StagedCollective(MPI_Comm communicator, StagingArea& area, const StagedProblem& problem);
  bool drive() override;

 private:
  struct Piece {
    std::int64_t offset;
    std::int64_t floats;
  };

  [[nodiscard]] std::int64_t pieces() const;
  [[nodiscard]] Piece piece(std::int64_t index) const;
  [[nodiscard]] StagingArea::Slot& slot_of(std::int64_t index) const;
  void copy_out(std::int64_t index);
  void post(std::int64_t index);
  void copy_in(std::int64_t index);

  MPI_Comm communicator_;
  StagingArea& area_;
  StagedProblem problem_;
  bool has_begun_ = false;
  // Pieces so far: copied to a slot, given to MPI, and being copied home.
  std::int64_t copied_out_ = 0;
  std::int64_t posted_ = 0;
  std::int64_t arrived_ = 0;
};

}  // namespace ringworld
