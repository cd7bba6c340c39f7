/// @file  Collectives of device memory by MPI: staged; and for libraries that take device memory, gathered in place.
///
/// Sums are staged in either case: MPI libraries add on the CPU, and Open MPI refuses device memory in reductions that do
/// not block (manual, on libraries that take device memory).

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

/// An all-gather of blocks by a library that takes device memory.
class GatherBlocksInPlace final : public QueuedCollective {
 public:
  GatherBlocksInPlace(Device& gpu, Communicator communicator, const RankBlocks& blocks)
      : QueuedCollective(gpu), communicator_(std::move(communicator)), blocks_(blocks) {}

  bool drive() override {
    if (posted_ == nullptr) {
      if (!begin().has_happened()) {
        return false;
      }
      posted_ = mpi_collectives().start_all_gather(communicator_, blocks_);
    }
    return posted_->test();
  }

 private:
  Communicator communicator_;
  RankBlocks blocks_;
  std::unique_ptr<PendingCollective::Impl> posted_;
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

  std::unique_ptr<PendingCollective::Impl> start_all_gather(const Communicator& communicator,
                                                            const RankBlocks& blocks) override {
    if (is_gathering_in_place_) {
      return queue_.add(communicator, std::make_shared<GatherBlocksInPlace>(place_, communicator, blocks));
    }
    return start(communicator, StagedKind::all_gather, blocks);
  }

  std::unique_ptr<PendingCollective::Impl> start_reduce_scatter(const Communicator& communicator,
                                                                const RankBlocks& blocks) override {
    return start(communicator, StagedKind::reduce_scatter, blocks);
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
    return queue_.add(communicator,
                      std::make_shared<StagedCollective>(MpiAccess::handle(communicator), area(communicator), problem));
  }

  std::unique_ptr<PendingCollective::Impl> start(const Communicator& communicator, StagedKind kind,
                                                 const RankBlocks& blocks) {
    return queue_.add(communicator, std::make_shared<StagedBlocks>(communicator, area(communicator), kind, blocks));
  }

  StagingArea& area(const Communicator& communicator) {
    return area_.has_value() ? *area_ : area_.emplace(communicator, place_);
  }

  Device& place_;
  bool is_gathering_in_place_;
  std::optional<StagingArea> area_;  // made at its first use
  CollectiveQueue queue_;
};

}  // namespace

std::unique_ptr<Collectives> make_device_aware_collectives(DeviceKind memory) {
  return std::make_unique<DeviceCollectives>(device(memory), true);
}
std::unique_ptr<Collectives> make_staged_collectives(DeviceKind memory) {
  return std::make_unique<DeviceCollectives>(device(memory), false);
}

Collectives& device_collectives(const Communicator& communicator, DeviceKind memory) {
  std::unique_ptr<Collectives>& made = CommunicatorAccess::device_collectives(communicator, memory);
  if (made == nullptr) {
    switch (transport_of(communicator, memory)) {
      case Transport::nccl:
        made = make_nccl_collectives(communicator);
        break;
      case Transport::device_aware_mpi:
        made = make_device_aware_collectives(memory);
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
