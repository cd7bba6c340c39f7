/// @file  Collectives of memory that MPI reads and writes itself.

#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <limits>

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
