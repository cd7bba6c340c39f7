/// @file  Collectives of device memory by MPI: staged; and for libraries that take device memory, gathered in place.
///
/// Sums are staged in either case: MPI libraries add on the CPU, and Open MPI refuses device memory in reductions that do
/// not block (manual, "CUDA-aware support").

#include <mpi.h>

#include <limits>
#include <optional>

#include "comm/device_choice.hpp"
#include "comm/mpi/collective_queue.hpp"
#include "comm/mpi/mpi_handles.hpp"
#include "comm/mpi/staged_collective.hpp"
#include "core/error.hpp"

namespace ringworld {
namespace {

/// An all-gather by a library that takes device memory.
class GatherInPlace final : public QueuedCollective {
 public:
  GatherInPlace(Device& gpu, MPI_Comm communicator, std::span<const float> mine, std::span<float> all)
      : QueuedCollective(gpu), communicator_(communicator), mine_(mine), all_(all) {}

  bool drive() override {
    if (!is_posted_) {
      if (!begin().has_happened()) {
        return false;
      }
      const auto count = static_cast<int>(mine_.size());
      check_mpi(
          MPI_Iallgather(mine_.data(), count, MPI_FLOAT, all_.data(), count, MPI_FLOAT, communicator_, &request_));
      is_posted_ = true;
    }
    int is_done = 0;
    check_mpi(MPI_Test(&request_, &is_done, MPI_STATUS_IGNORE));
    return is_done != 0;
  }

 private:
  MPI_Comm communicator_;
  std::span<const float> mine_;
  std::span<float> all_;
  MPI_Request request_ = MPI_REQUEST_NULL;
  bool is_posted_ = false;
};

class DeviceCollectives final : public Collectives {
 public:
  DeviceCollectives(Device& place, bool is_gathering_in_place)
      : place_(place), is_gathering_in_place_(is_gathering_in_place) {}

  std::unique_ptr<PendingCollective::Impl> start_all_gather(const Communicator& communicator,
                                                            std::span<const float> mine,
                                                            std::span<float> all) override {
    if (!is_gathering_in_place_) {
      return start(communicator, {.kind = StagedKind::all_gather,
                                  .from = mine.data(),
                                  .to = all.data(),
                                  .shard_floats = static_cast<std::int64_t>(mine.size())});
    }
    require_input(mine.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()),
                  "collective: a shard has more elements than MPI counts; use more ranks along fsdp, sp or tp");
    return queue_.add(communicator,
                      std::make_shared<GatherInPlace>(place_, MpiAccess::handle(communicator), mine, all));
  }

  std::unique_ptr<PendingCollective::Impl> start_reduce_scatter(const Communicator& communicator,
                                                                std::span<const float> all,
                                                                std::span<float> mine) override {
    return start(communicator, {.kind = StagedKind::reduce_scatter,
                                .from = all.data(),
                                .to = mine.data(),
                                .shard_floats = static_cast<std::int64_t>(mine.size()),
                                .operation = MPI_SUM});
  }

  void all_reduce(const Communicator& communicator, std::span<float> values, Reduction reduction) override {
    start(communicator, {.kind = StagedKind::all_reduce,
                         .from = values.data(),
                         .to = values.data(),
                         .shard_floats = static_cast<std::int64_t>(values.size()),
                         .operation = mpi_operation(reduction)})
        ->wait();
  }

 private:
  std::unique_ptr<PendingCollective::Impl> start(const Communicator& communicator, const StagedProblem& problem) {
    if (!area_.has_value()) {
      area_.emplace(communicator, place_);
    }
    return queue_.add(communicator,
                      std::make_shared<StagedCollective>(MpiAccess::handle(communicator), *area_, problem));
  }

  Device& place_;
  bool is_gathering_in_place_;
  std::optional<StagingArea> area_;  // made at its first use
  CollectiveQueue queue_;
};

}  // namespace

std::unique_ptr<Collectives> make_cuda_aware_collectives() {
  return std::make_unique<DeviceCollectives>(device(DeviceKind::cuda), true);
}
std::unique_ptr<Collectives> make_staged_collectives(DeviceKind memory) {
  return std::make_unique<DeviceCollectives>(device(memory), false);
}

Collectives& device_collectives(const Communicator& communicator, DeviceKind memory) {
  std::unique_ptr<Collectives>& made = MpiAccess::device_collectives(communicator, memory);
  if (made == nullptr) {
    switch (transport_of(communicator, memory)) {
      case Transport::nccl:
        made = make_nccl_collectives(communicator);
        break;
      case Transport::cuda_aware_mpi:
        made = make_cuda_aware_collectives();
        break;
      case Transport::staged:
        made = make_staged_collectives(memory);
        break;
      case Transport::automatic:
        throw Error(ErrorKind::internal, "the transport was not decided");
    }
  }
  return *made;
}

}  // namespace ringworld
