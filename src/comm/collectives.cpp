#include "comm/collectives.hpp"

#include "comm/collectives_impl.hpp"
#include "comm/pretended/pretended.hpp"
#include "core/activity.hpp"
#include "core/error.hpp"

namespace ringworld {
namespace {

Collectives& collectives_of(const Communicator& communicator, DeviceKind memory) {
  require(memory != DeviceKind::pinned, "floats travel from host or from device memory");
  if (communicator.is_pretended()) {
    return pretended_collectives();
  }
  return memory == DeviceKind::host ? mpi_collectives() : device_collectives(communicator, memory);
}

void check_lengths(const Communicator& communicator, std::size_t shard, std::size_t whole) {
  require(whole == shard * static_cast<std::size_t>(communicator.size()),
          "collective: the whole must have as many elements as all shards together");
}

void check_blocks(const Communicator& communicator, const RankBlocks& blocks, std::int64_t element_bytes) {
  require(std::ssize(blocks.bytes) == communicator.size(), "collective: give the length of every rank's block");
  for (const std::int64_t bytes : blocks.bytes) {
    require(bytes >= 0 && bytes <= blocks.distance && bytes % element_bytes == 0,
            "collective: a block does not fit its place, or is not whole elements");
  }
}

}  // namespace

PendingCollective::PendingCollective() = default;
PendingCollective::PendingCollective(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PendingCollective::PendingCollective(PendingCollective&& other) noexcept = default;
PendingCollective& PendingCollective::operator=(PendingCollective&& other) noexcept = default;
PendingCollective::~PendingCollective() = default;

bool PendingCollective::test() {
  if (impl_ != nullptr && impl_->test()) {
    impl_.reset();
  }
  return impl_ == nullptr;
}

void PendingCollective::wait() {
  if (impl_ != nullptr) {
    const WaitPhase wait("waiting for the other ranks' shards");
    impl_->wait();
    impl_.reset();
  }
}

PendingCollective start_all_gather(const Communicator& communicator, std::span<const float> mine, std::span<float> all,
                                   DeviceKind memory) {
  check_lengths(communicator, mine.size(), all.size());
  return PendingCollective(collectives_of(communicator, memory).start_all_gather(communicator, mine, all));
}

PendingCollective start_reduce_scatter(const Communicator& communicator, std::span<const float> all,
                                       std::span<float> mine, DeviceKind memory) {
  check_lengths(communicator, mine.size(), all.size());
  return PendingCollective(collectives_of(communicator, memory).start_reduce_scatter(communicator, all, mine));
}

PendingCollective start_all_gather(const Communicator& communicator, const RankBlocks& blocks, DeviceKind memory) {
  check_blocks(communicator, blocks, 1);
  return PendingCollective(collectives_of(communicator, memory).start_all_gather(communicator, blocks));
}

PendingCollective start_reduce_scatter(const Communicator& communicator, const RankBlocks& blocks, DeviceKind memory) {
  check_blocks(communicator, blocks, sizeof(float));
  return PendingCollective(collectives_of(communicator, memory).start_reduce_scatter(communicator, blocks));
}

void all_reduce(const Communicator& communicator, std::span<float> values, Reduction reduction, DeviceKind memory) {
  if (communicator.size() > 1 && !values.empty()) {
    const WaitPhase wait("waiting in a reduction over {} ranks", communicator.size());
    collectives_of(communicator, memory).all_reduce(communicator, values, reduction);
  }
}

}  // namespace ringworld
