#pragma once
/// @file  Collectives that do not block: of floats, which sharded parameters need, and of blocks of any length.
///
///   all_gather       rank r gives shard r, all receive every shard        [0|1|2|3]   on every rank
///   reduce_scatter   all give whole vectors, rank r receives shard r of their sum
///   all_to_all       every rank gives each rank a block of its own
///   broadcast        one rank gives, all receive the same
///   reduce           all give whole vectors, one rank receives their sum (all_reduce: every rank)
///
/// Source: Rajbhandari, Rasley, Ruwase, He, "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models",
/// arXiv:1910.02054, section 5.
///
/// `memory` says where the floats lie. Collectives of device memory are work in the order of the compute stream, like
/// kernels: they read what the work enqueued before the start left, and the work enqueued after the wait sees the
/// result. They travel as the communicator's transport says (comm/transport.hpp).

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "comm/communicator.hpp"
#include "comm/message_size.hpp"
#include "core/trace.hpp"
#include "device/device.hpp"

namespace ringworld {

/// A pending collective. Its spans must not change until it has ended; the destructor waits.
class PendingCollective {
 public:
  class Impl;

  /// Nothing under way.
  PendingCollective();
  /// @param name  of its span in a trace; lives for ever
  /// @param bytes  that must leave this rank; a collective that moves none has no span
  PendingCollective(std::unique_ptr<Impl> impl, std::string_view name, std::int64_t bytes);
  PendingCollective(PendingCollective&& other) noexcept;
  /// Waits for what this object held before.
  PendingCollective& operator=(PendingCollective&& other) noexcept;
  ~PendingCollective();

  /// Drives it. True when it has ended, or nothing is under way.
  bool test();
  /// Ends it: for host memory, blocks until then; for device memory, makes the compute stream wait.
  void wait();

 private:
  std::unique_ptr<Impl> impl_;
  TraceFlight flight_;
};

/// Every rank starts its collectives on one communicator in the same order. Collective over `communicator`.
/// @param mine (n), of every rank     @param all (n times ranks), in rank order, overwritten
/// @throws Error(bad_input) when a shard has more elements than MPI 3.1 counts, Error when lengths contradict.
[[nodiscard]] PendingCollective start_all_gather(const Communicator& communicator, std::span<const float> mine,
                                                 std::span<float> all, DeviceKind memory = DeviceKind::host);

/// @param all (n times ranks)     @param mine (n), this rank's part of the sum over ranks, overwritten
/// @throws as start_all_gather
[[nodiscard]] PendingCollective start_reduce_scatter(const Communicator& communicator, std::span<const float> all,
                                                     std::span<float> mine, DeviceKind memory = DeviceKind::host);

// What follows takes any length. Where MPI carries the memory itself, a message has at most `message_limit` bytes, which
// every rank gives alike; staged memory travels in pieces of a fixed size, and NCCL knows no limit.

/// One block of every rank in one stretch of memory, at equal distances.
struct RankBlocks {
  std::byte* memory = nullptr;
  std::int64_t distance = 0;        ///< bytes
  std::vector<std::int64_t> bytes;  ///< of each rank's block, at most `distance`; may be 0

  [[nodiscard]] std::byte* block(int rank) const { return memory + rank * distance; }
};

/// All-gathers the blocks: a rank's own block is already in its place, the others are overwritten.
/// @param blocks  with the same lengths on every rank
/// Collective over `communicator`, and driven like the others.
[[nodiscard]] PendingCollective start_all_gather(const Communicator& communicator, const RankBlocks& blocks,
                                                 DeviceKind memory = DeviceKind::host,
                                                 std::int64_t message_limit = default_message_limit);

/// Adds up the floats of each block over all ranks: a rank's own block becomes the sum, the other blocks hold nothing
/// then.
/// @param blocks  with the same lengths on every rank
/// @throws Error when a block is not whole floats. Collective over `communicator`.
[[nodiscard]] PendingCollective start_reduce_scatter(const Communicator& communicator, const RankBlocks& blocks,
                                                     DeviceKind memory = DeviceKind::host,
                                                     std::int64_t message_limit = default_message_limit);

/// Block r of `sent` goes to rank r, block r of `received` comes from rank r. The own block is copied, on the compute
/// stream. The first one of a communicator and a memory blocks until every rank has started it.
/// @param received  elsewhere than `sent`; its block r has the length that rank r sends here
/// @throws Error when the own block has two lengths. Collective over `communicator`.
[[nodiscard]] PendingCollective start_all_to_all(const Communicator& communicator, const RankBlocks& sent,
                                                 const RankBlocks& received, DeviceKind memory = DeviceKind::host,
                                                 std::int64_t message_limit = default_message_limit);

/// Overwrites `block` by what it is at the root.
/// @param block  of the same length on every rank
/// @throws Error when the root is no rank. Collective over `communicator`.
[[nodiscard]] PendingCollective start_broadcast(const Communicator& communicator, std::span<std::byte> block, int root,
                                                DeviceKind memory = DeviceKind::host,
                                                std::int64_t message_limit = default_message_limit);

/// Replaces `values` at the root by their sum or extreme over all ranks; elsewhere they hold nothing then.
/// @param values  (n), the same n on every rank
/// @throws Error when the root is no rank. Collective over `communicator`.
[[nodiscard]] PendingCollective start_reduce(const Communicator& communicator, std::span<float> values, int root,
                                             Reduction reduction, DeviceKind memory = DeviceKind::host,
                                             std::int64_t message_limit = default_message_limit);

/// Replaces `values` by their sum or extreme over all ranks, as `all_reduce` does.
/// @param values  (n), the same n on every rank
[[nodiscard]] PendingCollective start_all_reduce(const Communicator& communicator, std::span<float> values,
                                                 Reduction reduction, DeviceKind memory = DeviceKind::host,
                                                 std::int64_t message_limit = default_message_limit);

/// Replaces `values` by their sum or extreme over all ranks, of any length. Host memory: blocks.
void all_reduce(const Communicator& communicator, std::span<float> values, Reduction reduction,
                DeviceKind memory = DeviceKind::host);

}  // namespace ringworld
