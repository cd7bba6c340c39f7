/// @file  Collectives of device memory by MPI: staged; and for libraries that take device memory, moved in place.
///
/// Sums are staged in either case: MPI libraries add on the CPU, and Open MPI refuses device memory in reductions that do
/// not block (manual, on libraries that take device memory).

#include <mpi.h>

#include <functional>
#include <optional>

#include "comm/mpi/collective_queue.hpp"
#include "comm/mpi/mpi_handles.hpp"
#include "comm/mpi/mpi_requests.hpp"
#include "comm/mpi/staged_collective.hpp"

namespace ringworld {
namespace {

/// A collective by a library that takes device memory. MPI gets it once the compute stream has got so far.
class PostedInPlace final : public QueuedCollective {
 public:
  PostedInPlace(Device& gpu, std::function<Pending()> post) : QueuedCollective(gpu), post_(std::move(post)) {}

  bool drive() override {
    if (posted_ == nullptr) {
      if (!begin().has_happened()) {
        return false;
      }
      posted_ = post_();
    }
    return posted_->test();
  }

 private:
  std::function<Pending()> post_;
  Pending posted_;
};

class DeviceCollectives final : public Collectives {
 public:
  /// @param is_in_place  whether MPI may be given device memory
  DeviceCollectives(const Communicator& communicator, Device& place, bool is_in_place)
      : messages_(communicator.duplicate()), place_(place), is_in_place_(is_in_place) {}

  Pending start_all_gather(const Communicator& communicator, std::span<const float> mine,
                           std::span<float> all) override {
    if (is_in_place_) {
      static_cast<void>(mpi_count(std::ssize(mine)));
      return post(communicator, [this, mine, all] { return post_all_gather(messages_, mine, all); });
    }
    return stage<StagedCollective>(
        communicator,
        StagedProblem{
            .kind = StagedKind::all_gather, .from = mine.data(), .to = all.data(), .shard_floats = std::ssize(mine)});
  }

  Pending start_reduce_scatter(const Communicator& communicator, std::span<const float> all,
                               std::span<float> mine) override {
    return stage<StagedCollective>(communicator, StagedProblem{.kind = StagedKind::reduce_scatter,
                                                               .from = all.data(),
                                                               .to = mine.data(),
                                                               .shard_floats = std::ssize(mine)});
  }

  Pending start_all_gather(const Communicator& communicator, const RankBlocks& blocks,
                           std::int64_t message_limit) override {
    if (is_in_place_) {
      return post(communicator,
                  [this, blocks, message_limit] { return post_all_gather(messages_, blocks, message_limit); });
    }
    return stage<StagedBlocks>(communicator, StagedKind::all_gather, blocks);
  }

  Pending start_reduce_scatter(const Communicator& communicator, const RankBlocks& blocks,
                               std::int64_t /*message_limit: a piece is a message*/) override {
    return stage<StagedBlocks>(communicator, StagedKind::reduce_scatter, blocks);
  }

  Pending start_all_to_all(const Communicator& communicator, const RankBlocks& sent, const RankBlocks& received,
                           std::int64_t message_limit) override {
    if (is_in_place_) {
      return post(communicator, [this, sent, received, message_limit] {
        return post_all_to_all(messages_, sent, received, message_limit);
      });
    }
    return stage<StagedExchange>(communicator, sent, received);
  }

  Pending start_broadcast(const Communicator& communicator, std::span<std::byte> block, int root,
                          std::int64_t message_limit) override {
    if (is_in_place_) {
      return post(communicator,
                  [this, block, root, message_limit] { return post_broadcast(messages_, block, root, message_limit); });
    }
    return stage<StagedVector>(communicator,
                               VectorProblem{.kind = VectorKind::broadcast, .bytes = block, .root = root});
  }

  Pending start_reduce(const Communicator& communicator, std::span<float> values, int root, Reduction reduction,
                       std::int64_t /*message_limit*/) override {
    return stage<StagedVector>(communicator, VectorProblem{.kind = VectorKind::reduce,
                                                           .bytes = std::as_writable_bytes(values),
                                                           .root = root,
                                                           .operation = mpi_operation(reduction)});
  }

  Pending start_all_reduce(const Communicator& communicator, std::span<float> values, Reduction reduction,
                           std::int64_t /*message_limit*/) override {
    return stage<StagedVector>(communicator, VectorProblem{.kind = VectorKind::all_reduce,
                                                           .bytes = std::as_writable_bytes(values),
                                                           .operation = mpi_operation(reduction)});
  }

 private:
  Pending post(const Communicator& communicator, std::function<Pending()> action) {
    return queue_.add(communicator, std::make_shared<PostedInPlace>(place_, std::move(action)));
  }

  template <class Staged, class... Arguments>
  Pending stage(const Communicator& communicator, const Arguments&... arguments) {
    if (!area_.has_value()) {
      area_.emplace(messages_, place_);
    }
    return queue_.add(communicator, std::make_shared<Staged>(messages_, *area_, arguments...));
  }

  Communicator messages_;  // MPI gets a collective when the device has got so far, and others in the meantime
  Device& place_;
  bool is_in_place_;
  std::optional<StagingArea> area_;  // made at its first use
  CollectiveQueue queue_;
};

}  // namespace

std::unique_ptr<Collectives> make_device_aware_collectives(const Communicator& communicator, DeviceKind memory) {
  return std::make_unique<DeviceCollectives>(communicator, device(memory), true);
}
std::unique_ptr<Collectives> make_staged_collectives(const Communicator& communicator, DeviceKind memory) {
  return std::make_unique<DeviceCollectives>(communicator, device(memory), false);
}

}  // namespace ringworld
