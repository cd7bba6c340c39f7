#include "comm/collectives.hpp"

#include <numeric>

#include "comm/collectives_impl.hpp"
#include "comm/communicator_impl.hpp"
#include "comm/device_choice.hpp"
#include "comm/pretended/pretended.hpp"
#include "comm/rank_traffic.hpp"
#include "core/activity.hpp"
#include "core/error.hpp"
#include "core/simulated_ranks.hpp"

namespace ringworld {
namespace {

std::unique_ptr<Collectives> make_collectives(const Communicator& communicator, DeviceKind memory) {
  if (memory == DeviceKind::simulated && are_ranks_simulated()) {
    return make_phantom_collectives(communicator);
  }
  if (is_within_reach_of_mpi(memory)) {
    return make_mpi_collectives();
  }
  switch (transport_of(communicator, memory)) {
    case Transport::nccl:
      return make_nccl_collectives(communicator);
    case Transport::device_aware_mpi:
      return make_device_aware_collectives(communicator, memory);
    case Transport::staged:
      return make_staged_collectives(communicator, memory);
    case Transport::automatic:
      break;
  }
  throw Error(ErrorKind::internal, "the transport was not decided");
}

Collectives& collectives_of(const Communicator& communicator, DeviceKind memory) {
  require(memory != DeviceKind::pinned, "blocks travel from host or from device memory");
  if (communicator.is_pretended()) {
    return pretended_collectives();
  }
  std::unique_ptr<Collectives>& made = CommunicatorAccess::collectives(communicator, memory);
  if (made == nullptr) {
    made = make_collectives(communicator, memory);
  }
  return *made;
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

void check_root(const Communicator& communicator, int root) {
  require(root >= 0 && root < communicator.size(), "collective: the root is no rank of its communicator");
}

/// Whether a collective of one vector has nothing to move.
bool moves_nothing(const Communicator& communicator, std::size_t length) {
  return communicator.size() == 1 || length == 0;
}

/// @param bytes  that must cross this rank's link
/// @return those that do: none where there is no other rank
std::int64_t count(const Communicator& communicator, std::size_t bytes) {
  if (communicator.size() == 1 || bytes == 0) {
    return 0;
  }
  RankTraffic& sent = rank_traffic();
  ++sent.collectives;
  sent.collective_bytes += static_cast<std::int64_t>(bytes);
  return static_cast<std::int64_t>(bytes);
}

/// Bytes of all blocks but this rank's own.
std::size_t bytes_of_others(const Communicator& communicator, const RankBlocks& blocks) {
  const std::int64_t all = std::accumulate(blocks.bytes.begin(), blocks.bytes.end(), std::int64_t{0});
  return static_cast<std::size_t>(all - blocks.bytes[static_cast<std::size_t>(communicator.rank())]);
}

/// Of a reduction to all ranks: it is as much as a reduce-scatter and an all-gather.
std::size_t bytes_of_all_reduce(const Communicator& communicator, std::size_t bytes) {
  const auto ranks = static_cast<std::size_t>(communicator.size());
  return 2 * bytes * (ranks - 1) / ranks;
}

void check_limit(std::int64_t message_limit) {
  require(message_limit >= static_cast<std::int64_t>(sizeof(float)) && message_limit <= default_message_limit,
          "collective: a message holds 4 bytes to 1 GiB");
}

}  // namespace

PendingCollective::PendingCollective() = default;
PendingCollective::PendingCollective(std::unique_ptr<Impl> impl, std::string_view name, std::int64_t bytes)
    : impl_(std::move(impl)) {
  if (impl_ != nullptr && bytes > 0) {
    flight_.begin(name, bytes);
  }
}
PendingCollective::PendingCollective(PendingCollective&& other) noexcept = default;
PendingCollective& PendingCollective::operator=(PendingCollective&& other) noexcept = default;
PendingCollective::~PendingCollective() {
  if (impl_ != nullptr) {
    impl_.reset();
    flight_.end();
  }
}

bool PendingCollective::test() {
  if (impl_ != nullptr && impl_->test()) {
    impl_.reset();
    flight_.end();
  }
  return impl_ == nullptr;
}

void PendingCollective::wait() {
  if (impl_ != nullptr) {
    const WaitPhase wait("waiting for the other ranks in a collective");
    impl_->wait();
    impl_.reset();
    flight_.end();
  }
}

PendingCollective start_all_gather(const Communicator& communicator, std::span<const float> mine, std::span<float> all,
                                   DeviceKind memory) {
  check_lengths(communicator, mine.size(), all.size());
  const std::int64_t bytes = count(communicator, all.size_bytes() - mine.size_bytes());
  return {collectives_of(communicator, memory).start_all_gather(communicator, mine, all), "all-gather", bytes};
}

PendingCollective start_reduce_scatter(const Communicator& communicator, std::span<const float> all,
                                       std::span<float> mine, DeviceKind memory) {
  check_lengths(communicator, mine.size(), all.size());
  const std::int64_t bytes = count(communicator, all.size_bytes() - mine.size_bytes());
  return {collectives_of(communicator, memory).start_reduce_scatter(communicator, all, mine), "reduce-scatter", bytes};
}

PendingCollective start_all_gather(const Communicator& communicator, const RankBlocks& blocks, DeviceKind memory,
                                   std::int64_t message_limit) {
  check_limit(message_limit);
  check_blocks(communicator, blocks, 1);
  const std::int64_t bytes = count(communicator, bytes_of_others(communicator, blocks));
  return {collectives_of(communicator, memory).start_all_gather(communicator, blocks, message_limit), "all-gather",
          bytes};
}

PendingCollective start_reduce_scatter(const Communicator& communicator, const RankBlocks& blocks, DeviceKind memory,
                                       std::int64_t message_limit) {
  check_limit(message_limit);
  check_blocks(communicator, blocks, sizeof(float));
  const std::int64_t bytes = count(communicator, bytes_of_others(communicator, blocks));
  return {collectives_of(communicator, memory).start_reduce_scatter(communicator, blocks, message_limit),
          "reduce-scatter", bytes};
}

PendingCollective start_all_to_all(const Communicator& communicator, const RankBlocks& sent, const RankBlocks& received,
                                   DeviceKind memory, std::int64_t message_limit) {
  check_limit(message_limit);
  check_blocks(communicator, sent, 1);
  check_blocks(communicator, received, 1);
  const int rank = communicator.rank();
  const std::int64_t own_bytes = sent.bytes[static_cast<std::size_t>(rank)];
  require(received.bytes[static_cast<std::size_t>(rank)] == own_bytes, "collective: the own block has two lengths");
  const std::int64_t bytes = count(communicator, bytes_of_others(communicator, sent));
  Collectives& collectives = collectives_of(communicator, memory);
  if (own_bytes > 0 && !communicator.is_pretended()) {
    Device& place = device(memory);
    place.copy(received.block(rank), sent.block(rank), own_bytes, place.compute_stream());
  }
  return {collectives.start_all_to_all(communicator, sent, received, message_limit), "all-to-all", bytes};
}

PendingCollective start_broadcast(const Communicator& communicator, std::span<std::byte> block, int root,
                                  DeviceKind memory, std::int64_t message_limit) {
  check_limit(message_limit);
  check_root(communicator, root);
  if (moves_nothing(communicator, block.size())) {
    return {};
  }
  const std::int64_t bytes = count(communicator, block.size_bytes());
  return {collectives_of(communicator, memory).start_broadcast(communicator, block, root, message_limit), "broadcast",
          bytes};
}

PendingCollective start_reduce(const Communicator& communicator, std::span<float> values, int root, Reduction reduction,
                               DeviceKind memory, std::int64_t message_limit) {
  check_limit(message_limit);
  check_root(communicator, root);
  if (moves_nothing(communicator, values.size())) {
    return {};
  }
  const std::int64_t bytes = count(communicator, values.size_bytes());
  return {collectives_of(communicator, memory).start_reduce(communicator, values, root, reduction, message_limit),
          "reduce", bytes};
}

PendingCollective start_all_reduce(const Communicator& communicator, std::span<float> values, Reduction reduction,
                                   DeviceKind memory, std::int64_t message_limit) {
  check_limit(message_limit);
  if (moves_nothing(communicator, values.size())) {
    return {};
  }
  const std::int64_t bytes = count(communicator, bytes_of_all_reduce(communicator, values.size_bytes()));
  return {collectives_of(communicator, memory).start_all_reduce(communicator, values, reduction, message_limit),
          "all-reduce", bytes};
}

void all_reduce(const Communicator& communicator, std::span<float> values, Reduction reduction, DeviceKind memory) {
  if (!moves_nothing(communicator, values.size())) {
    count(communicator, bytes_of_all_reduce(communicator, values.size_bytes()));
    const WaitPhase wait("waiting in a reduction over {} ranks", communicator.size());
    collectives_of(communicator, memory).all_reduce(communicator, values, reduction);
  }
}

}  // namespace ringworld
