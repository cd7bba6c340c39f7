/// @file  Collectives of memory that MPI reads and writes itself.

#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <numeric>
#include <vector>

#include "comm/collectives_impl.hpp"
#include "comm/mpi/mpi_handles.hpp"
#include "core/error.hpp"

namespace ringworld {
namespace {

int mpi_count(std::size_t shard) {
  constexpr auto largest = static_cast<std::size_t>(std::numeric_limits<int>::max());
  require_input(shard <= largest,
                fmt::format("collective: a shard of {} elements is more than MPI counts ({}); use more "
                            "ranks along fsdp, sp or tp",
                            shard, largest));
  return static_cast<int>(shard);
}

class MpiPending final : public PendingCollective::Impl {
 public:
  explicit MpiPending(Communicator communicator) : communicator_(std::move(communicator)) {}
  ~MpiPending() override {
    // Memory that MPI still writes to must not be freed; an error here has no one to go to.
    MPI_Wait(&request_, MPI_STATUS_IGNORE);
  }
  MpiPending(const MpiPending&) = delete;
  MpiPending& operator=(const MpiPending&) = delete;

  bool test() override {
    int is_done = 0;
    check_mpi(MPI_Test(&request_, &is_done, MPI_STATUS_IGNORE));
    return is_done != 0;
  }
  void wait() override { check_mpi(MPI_Wait(&request_, MPI_STATUS_IGNORE)); }

  [[nodiscard]] MPI_Request* request() { return &request_; }

 private:
  // Keeps the communicator alive for as long as the request needs it.
  Communicator communicator_;
  MPI_Request request_ = MPI_REQUEST_NULL;
};

/// A collective of blocks, which is one request or several. An error that unwinds this rank alone does not wait for
/// ranks that will never come.
class MpiBlocksPending final : public PendingCollective::Impl {
 public:
  explicit MpiBlocksPending(Communicator communicator) : communicator_(std::move(communicator)) {}
  ~MpiBlocksPending() override {
    if (std::uncaught_exceptions() > exceptions_) {
      MpiAccess::leak(communicator_);
      return;
    }
    MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE);
  }
  MpiBlocksPending(const MpiBlocksPending&) = delete;
  MpiBlocksPending& operator=(const MpiBlocksPending&) = delete;

  /// Every block in its place, to all ranks. MPI counts in units that all lengths are made of: in bytes, an `int` would
  /// end at 2 GiB.
  void gather(const RankBlocks& blocks) {
    std::int64_t unit = blocks.distance;
    for (const std::int64_t bytes : blocks.bytes) {
      unit = std::gcd(unit, bytes);
    }
    if (unit == 0) {
      return;  // no rank has anything
    }
    for (std::size_t rank = 0; rank < blocks.bytes.size(); ++rank) {
      counts_.push_back(mpi_count(static_cast<std::size_t>(blocks.bytes[rank] / unit)));
      places_.push_back(mpi_count(rank * static_cast<std::size_t>(blocks.distance / unit)));
    }
    MPI_Datatype type = MPI_DATATYPE_NULL;
    check_mpi(MPI_Type_contiguous(mpi_count(static_cast<std::size_t>(unit)), MPI_BYTE, &type));
    check_mpi(MPI_Type_commit(&type));
    check_mpi(MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, blocks.memory, counts_.data(), places_.data(), type,
                              MpiAccess::handle(communicator_), &requests_.emplace_back(MPI_REQUEST_NULL)));
    check_mpi(MPI_Type_free(&type));  // takes effect when the collective has ended
  }

  /// Reduces each block to the rank that owns it: one reduction a rank, as MPI's reduce-scatter would overwrite the
  /// first block with the result.
  void reduce(const RankBlocks& blocks) {
    constexpr std::int64_t piece = std::int64_t{1} << 28;
    for (int root = 0; root < communicator_.size(); ++root) {
      auto* const block = reinterpret_cast<float*>(blocks.memory + root * blocks.distance);
      const std::int64_t floats =
          blocks.bytes[static_cast<std::size_t>(root)] / static_cast<std::int64_t>(sizeof(float));
      const bool is_own = root == communicator_.rank();
      for (std::int64_t offset = 0; offset < floats; offset += piece) {
        const void* const from = is_own ? MPI_IN_PLACE : block + offset;
        check_mpi(MPI_Ireduce(from, is_own ? block + offset : nullptr,
                              static_cast<int>(std::min(piece, floats - offset)), MPI_FLOAT, MPI_SUM, root,
                              MpiAccess::handle(communicator_), &requests_.emplace_back(MPI_REQUEST_NULL)));
      }
    }
  }

  bool test() override {
    int is_done = 0;
    check_mpi(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &is_done, MPI_STATUSES_IGNORE));
    return is_done != 0;
  }
  void wait() override {
    check_mpi(MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE));
  }

 private:
  Communicator communicator_;
  std::vector<MPI_Request> requests_;
  // MPI reads them until the collective has ended.
  std::vector<int> counts_;
  std::vector<int> places_;
  int exceptions_ = std::uncaught_exceptions();
};

class MpiCollectives final : public Collectives {
 public:
  std::unique_ptr<PendingCollective::Impl> start_all_gather(const Communicator& communicator,
                                                            std::span<const float> mine,
                                                            std::span<float> all) override {
    const int count = mpi_count(mine.size());
    auto pending = std::make_unique<MpiPending>(communicator);
    check_mpi(MPI_Iallgather(mine.data(), count, MPI_FLOAT, all.data(), count, MPI_FLOAT,
                             MpiAccess::handle(communicator), pending->request()));
    return pending;
  }

  std::unique_ptr<PendingCollective::Impl> start_reduce_scatter(const Communicator& communicator,
                                                                std::span<const float> all,
                                                                std::span<float> mine) override {
    const int count = mpi_count(mine.size());
    auto pending = std::make_unique<MpiPending>(communicator);
    check_mpi(MPI_Ireduce_scatter_block(all.data(), mine.data(), count, MPI_FLOAT, MPI_SUM,
                                        MpiAccess::handle(communicator), pending->request()));
    return pending;
  }

  std::unique_ptr<PendingCollective::Impl> start_all_gather(const Communicator& communicator,
                                                            const RankBlocks& blocks) override {
    auto pending = std::make_unique<MpiBlocksPending>(communicator);
    pending->gather(blocks);
    return pending;
  }

  std::unique_ptr<PendingCollective::Impl> start_reduce_scatter(const Communicator& communicator,
                                                                const RankBlocks& blocks) override {
    auto pending = std::make_unique<MpiBlocksPending>(communicator);
    pending->reduce(blocks);
    return pending;
  }

  void all_reduce(const Communicator& communicator, std::span<float> values, Reduction reduction) override {
    constexpr std::size_t piece = std::size_t{1} << 28;
    for (std::size_t offset = 0; offset < values.size(); offset += piece) {
      const int count = static_cast<int>(std::min(piece, values.size() - offset));
      check_mpi(MPI_Allreduce(MPI_IN_PLACE, values.data() + offset, count, MPI_FLOAT, mpi_operation(reduction),
                              MpiAccess::handle(communicator)));
    }
  }
};

}  // namespace

Collectives& mpi_collectives() {
  static MpiCollectives instance;
  return instance;
}

}  // namespace ringworld
