#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <limits>

#include "comm/collectives.hpp"
#include "comm/mpi/mpi_handles.hpp"
#include "core/error.hpp"

namespace ringworld {

struct PendingCollective::Impl {
  // Keeps the communicator alive for as long as the request needs it.
  Communicator communicator;
  MPI_Request request = MPI_REQUEST_NULL;
};

namespace {

int shard_count(const Communicator& communicator, std::size_t shard, std::size_t whole) {
  require(whole == shard * static_cast<std::size_t>(communicator.size()),
          "collective: the whole must have as many elements as all shards together");
  constexpr auto largest = static_cast<std::size_t>(std::numeric_limits<int>::max());
  require_input(shard <= largest,
                fmt::format("collective: a shard of {} elements is more than MPI counts ({}); use more "
                            "ranks along fsdp, sp or tp",
                            shard, largest));
  return static_cast<int>(shard);
}

}  // namespace

PendingCollective::PendingCollective() = default;
PendingCollective::PendingCollective(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PendingCollective::PendingCollective(PendingCollective&& other) noexcept = default;

PendingCollective& PendingCollective::operator=(PendingCollective&& other) noexcept {
  if (this != &other) {
    PendingCollective before(std::move(*this));
    impl_ = std::move(other.impl_);
  }
  return *this;
}

PendingCollective::~PendingCollective() {
  if (impl_ != nullptr) {
    // Memory that MPI still writes to must not be freed; an error here has no one to go to.
    MPI_Wait(&impl_->request, MPI_STATUS_IGNORE);
  }
}

bool PendingCollective::test() {
  if (impl_ == nullptr) {
    return true;
  }
  int is_done = 0;
  check_mpi(MPI_Test(&impl_->request, &is_done, MPI_STATUS_IGNORE));
  if (is_done != 0) {
    impl_.reset();
  }
  return is_done != 0;
}

void PendingCollective::wait() {
  if (impl_ != nullptr) {
    check_mpi(MPI_Wait(&impl_->request, MPI_STATUS_IGNORE));
    impl_.reset();
  }
}

PendingCollective start_all_gather(const Communicator& communicator, std::span<const float> mine,
                                   std::span<float> all) {
  const int count = shard_count(communicator, mine.size(), all.size());
  auto impl = std::make_unique<PendingCollective::Impl>(PendingCollective::Impl{.communicator = communicator});
  check_mpi(MPI_Iallgather(mine.data(), count, MPI_FLOAT, all.data(), count, MPI_FLOAT, MpiAccess::handle(communicator),
                           &impl->request));
  return PendingCollective(std::move(impl));
}

PendingCollective start_reduce_scatter(const Communicator& communicator, std::span<const float> all,
                                       std::span<float> mine) {
  const int count = shard_count(communicator, mine.size(), all.size());
  auto impl = std::make_unique<PendingCollective::Impl>(PendingCollective::Impl{.communicator = communicator});
  check_mpi(MPI_Ireduce_scatter_block(all.data(), mine.data(), count, MPI_FLOAT, MPI_SUM,
                                      MpiAccess::handle(communicator), &impl->request));
  return PendingCollective(std::move(impl));
}

void all_reduce(const Communicator& communicator, std::span<float> values, Reduction reduction) {
  if (communicator.size() == 1) {
    return;
  }
  constexpr std::size_t piece = std::size_t{1} << 28;
  for (std::size_t offset = 0; offset < values.size(); offset += piece) {
    const int count = static_cast<int>(std::min(piece, values.size() - offset));
    check_mpi(MPI_Allreduce(MPI_IN_PLACE, values.data() + offset, count, MPI_FLOAT, mpi_operation(reduction),
                            MpiAccess::handle(communicator)));
  }
}

}  // namespace ringworld
