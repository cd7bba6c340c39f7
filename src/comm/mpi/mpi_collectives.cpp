/// @file  Collectives of host memory.

#include <mpi.h>

#include "comm/mpi/messages.hpp"
#include "comm/mpi/mpi_handles.hpp"
#include "comm/mpi/mpi_requests.hpp"

namespace ringworld {
namespace {

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
  Pending start_all_gather(const Communicator& communicator, std::span<const float> mine,
                           std::span<float> all) override {
    const int count = mpi_count(std::ssize(mine));
    auto pending = std::make_unique<MpiPending>(communicator);
    check_mpi(MPI_Iallgather(mine.data(), count, MPI_FLOAT, all.data(), count, MPI_FLOAT,
                             MpiAccess::handle(communicator), pending->request()));
    return pending;
  }

  Pending start_reduce_scatter(const Communicator& communicator, std::span<const float> all,
                               std::span<float> mine) override {
    const int count = mpi_count(std::ssize(mine));
    auto pending = std::make_unique<MpiPending>(communicator);
    check_mpi(MPI_Ireduce_scatter_block(all.data(), mine.data(), count, MPI_FLOAT, MPI_SUM,
                                        MpiAccess::handle(communicator), pending->request()));
    return pending;
  }

  Pending start_all_gather(const Communicator& communicator, const RankBlocks& blocks,
                           std::int64_t message_limit) override {
    return post_all_gather(communicator, blocks, message_limit);
  }

  Pending start_reduce_scatter(const Communicator& communicator, const RankBlocks& blocks,
                               std::int64_t message_limit) override {
    return post_reduce_scatter(communicator, blocks, message_limit);
  }

  Pending start_all_to_all(const Communicator& communicator, const RankBlocks& sent, const RankBlocks& received,
                           std::int64_t message_limit) override {
    if (messages_.is_null()) {
      messages_ = communicator.duplicate();
    }
    return post_all_to_all(messages_, sent, received, message_limit);
  }

  Pending start_broadcast(const Communicator& communicator, std::span<std::byte> block, int root,
                          std::int64_t message_limit) override {
    return post_broadcast(communicator, block, root, message_limit);
  }

  Pending start_reduce(const Communicator& communicator, std::span<float> values, int root, Reduction reduction,
                       std::int64_t message_limit) override {
    return post_reduce(communicator, values, root, reduction, message_limit);
  }

  Pending start_all_reduce(const Communicator& communicator, std::span<float> values, Reduction reduction,
                           std::int64_t message_limit) override {
    return post_all_reduce(communicator, values, reduction, message_limit);
  }

  /// MPI libraries have better algorithms for the reduction that blocks.
  void all_reduce(const Communicator& communicator, std::span<float> values, Reduction reduction) override {
    constexpr auto limit = default_message_limit / static_cast<std::int64_t>(sizeof(float));
    for_each_message(std::ssize(values), limit, [&](std::int64_t offset, int count) {
      check_mpi(MPI_Allreduce(MPI_IN_PLACE, values.data() + offset, count, MPI_FLOAT, mpi_operation(reduction),
                              MpiAccess::handle(communicator)));
    });
  }

 private:
  Communicator messages_;  // of all-to-alls, which the communicator's own messages must not be mixed with
};

}  // namespace

std::unique_ptr<Collectives> make_mpi_collectives() { return std::make_unique<MpiCollectives>(); }

}  // namespace ringworld
