#pragma once
/// @file  Collectives of device memory through pinned host memory, in pieces. Included by src/comm/mpi only.
///
///   piece p     device ==copy==> pinned --MPI--> pinned ==copy==> device
///   piece p+1               device ==copy==> pinned --MPI--> ...            two pieces at a time
///
/// A piece of a shard of n floats is a stretch of it; of a whole vector (n times ranks) it is that stretch of every shard.

#include <array>
#include <span>
#include <vector>

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
    std::array<MPI_Request, 2> requests{MPI_REQUEST_NULL, MPI_REQUEST_NULL};
  };

  [[nodiscard]] std::int64_t slot_bytes() const {
    return piece_floats * ranks * static_cast<std::int64_t>(sizeof(float));
  }

  Device& place;  ///< whose memory the operands are
  std::int64_t ranks;
  std::int64_t piece_floats;  ///< of a shard
  std::unique_ptr<Stream> stream;
  std::array<Slot, 2> slots;
};

enum class StagedKind : std::uint8_t { all_gather, reduce_scatter };

/// What one collective of shards moves.
struct StagedProblem {
  StagedKind kind = StagedKind::all_gather;
  const float* from = nullptr;    ///< device: a shard, or all of them in a reduce-scatter
  float* to = nullptr;            ///< device: all shards in an all-gather, else one
  std::int64_t shard_floats = 0;  ///< n
};

/// A collective in pieces, two at a time: what all of them share.
class StagedPieces : public QueuedCollective {
 public:
  /// @param area  of the communicator; outlives the collective
  explicit StagedPieces(StagingArea& area) : QueuedCollective(area.place), area_(area) {}
  bool drive() final;

 protected:
  [[nodiscard]] StagingArea& area() const { return area_; }
  [[nodiscard]] StagingArea::Slot& slot_of(std::int64_t index) const;

 private:
  [[nodiscard]] virtual std::int64_t pieces() const = 0;
  /// From the device to the slot of the piece, from there by MPI, and to the device again.
  virtual void copy_out(std::int64_t index) = 0;
  virtual void post(std::int64_t index) = 0;
  virtual void copy_in(std::int64_t index) = 0;

  StagingArea& area_;
  bool has_begun_ = false;
  // Pieces so far: copied to a slot, given to MPI, and being copied home.
  std::int64_t copied_out_ = 0;
  std::int64_t posted_ = 0;
  std::int64_t arrived_ = 0;
};

class StagedCollective final : public StagedPieces {
 public:
  StagedCollective(const Communicator& communicator, StagingArea& area, const StagedProblem& problem)
      : StagedPieces(area), communicator_(MpiAccess::handle(communicator)), problem_(problem) {}

 private:
  struct Piece {
    std::int64_t offset;
    std::int64_t floats;
  };

  [[nodiscard]] std::int64_t pieces() const override;
  [[nodiscard]] Piece piece(std::int64_t index) const;
  void copy_out(std::int64_t index) override;
  void post(std::int64_t index) override;
  void copy_in(std::int64_t index) override;

  MPI_Comm communicator_;
  StagedProblem problem_;
};

/// A collective of blocks. A piece is the same stretch of every block, as far as that reaches.
class StagedBlocks final : public StagedPieces {
 public:
  /// @param kind  all_gather, or reduce_scatter of floats
  StagedBlocks(const Communicator& communicator, StagingArea& area, StagedKind kind, const RankBlocks& blocks);

 private:
  /// Bytes of a rank's block in a piece.
  [[nodiscard]] std::int64_t bytes_in(std::int64_t index, std::size_t rank) const;
  [[nodiscard]] std::byte* device_memory(std::int64_t index, std::size_t rank) const;
  [[nodiscard]] std::int64_t piece_bytes() const;
  [[nodiscard]] std::int64_t pieces() const override;
  void copy_out(std::int64_t index) override;
  void post(std::int64_t index) override;
  void copy_in(std::int64_t index) override;

  MPI_Comm communicator_;
  std::size_t rank_;
  StagedKind kind_;
  RankBlocks blocks_;
  std::array<std::vector<int>, 2> counts_;  // of each slot's piece, which MPI reads until it has ended
  std::array<std::vector<int>, 2> places_;
};

enum class VectorKind : std::uint8_t { broadcast, reduce, all_reduce };

/// What a collective of one vector does with it, in place.
struct VectorProblem {
  VectorKind kind = VectorKind::broadcast;
  std::span<std::byte> bytes;      ///< device; floats where they are reduced
  int root = 0;                    ///< of an all-reduce: does not matter
  MPI_Op operation = MPI_OP_NULL;  ///< of a broadcast: does not matter
};

/// A collective of a vector. A piece fills a slot.
class StagedVector final : public StagedPieces {
 public:
  StagedVector(const Communicator& communicator, StagingArea& area, const VectorProblem& problem)
      : StagedPieces(area),
        communicator_(MpiAccess::handle(communicator)),
        is_root_(communicator.rank() == problem.root),
        problem_(problem) {}

 private:
  [[nodiscard]] std::int64_t pieces() const override;
  [[nodiscard]] std::span<std::byte> piece(std::int64_t index) const;
  void copy_out(std::int64_t index) override;
  void post(std::int64_t index) override;
  void copy_in(std::int64_t index) override;

  MPI_Comm communicator_;
  bool is_root_;
  VectorProblem problem_;
};

/// An all-to-all, as messages: to the next rank while one comes from the previous, then to the rank after that, and so on.
/// A piece is one message there and one back, as far as the two blocks reach.
///
/// It cannot get stuck: all ranks take the distances in the same order, so the messages of the rank that is furthest
/// behind have been posted by their other ends.
class StagedExchange final : public StagedPieces {
 public:
  StagedExchange(const Communicator& messages, StagingArea& area, const RankBlocks& sent, const RankBlocks& received);

 private:
  struct Piece {
    int to;
    std::span<const std::byte> sent;
    int from;
    std::span<std::byte> received;
  };

  [[nodiscard]] std::int64_t pieces() const override { return std::ssize(pieces_); }
  [[nodiscard]] const Piece& piece(std::int64_t index) const { return pieces_[static_cast<std::size_t>(index)]; }
  void copy_out(std::int64_t index) override;
  void post(std::int64_t index) override;
  void copy_in(std::int64_t index) override;

  MPI_Comm messages_;
  std::vector<Piece> pieces_;
};

}  // namespace ringworld
