#pragma once
/// @file  What the transports of collectives implement. Included by src/comm only.

#include <memory>

#include "comm/collectives.hpp"

namespace ringworld {

/// One collective under way. The destructor waits, unless an error unwinds this rank alone.
class PendingCollective::Impl {
 public:
  virtual ~Impl() = default;
  virtual bool test() = 0;
  virtual void wait() = 0;
};

using Pending = std::unique_ptr<PendingCollective::Impl>;

/// One way in which floats and blocks travel between the ranks of a communicator, which each call names again. Every call
/// is collective over it; arguments were checked.
class Collectives {
 public:
  virtual ~Collectives() = default;
  [[nodiscard]] virtual Pending start_all_gather(const Communicator& communicator, std::span<const float> mine,
                                                 std::span<float> all) = 0;
  [[nodiscard]] virtual Pending start_reduce_scatter(const Communicator& communicator, std::span<const float> all,
                                                     std::span<float> mine) = 0;
  [[nodiscard]] virtual Pending start_all_gather(const Communicator& communicator, const RankBlocks& blocks,
                                                 std::int64_t message_limit) = 0;
  [[nodiscard]] virtual Pending start_reduce_scatter(const Communicator& communicator, const RankBlocks& blocks,
                                                     std::int64_t message_limit) = 0;
  /// Moves all blocks but the own one.
  [[nodiscard]] virtual Pending start_all_to_all(const Communicator& communicator, const RankBlocks& sent,
                                                 const RankBlocks& received, std::int64_t message_limit) = 0;
  [[nodiscard]] virtual Pending start_broadcast(const Communicator& communicator, std::span<std::byte> block, int root,
                                                std::int64_t message_limit) = 0;
  [[nodiscard]] virtual Pending start_reduce(const Communicator& communicator, std::span<float> values, int root,
                                             Reduction reduction, std::int64_t message_limit) = 0;
  [[nodiscard]] virtual Pending start_all_reduce(const Communicator& communicator, std::span<float> values,
                                                 Reduction reduction, std::int64_t message_limit) = 0;
  /// Host memory: blocks.
  virtual void all_reduce(const Communicator& communicator, std::span<float> values, Reduction reduction) {
    start_all_reduce(communicator, values, reduction, default_message_limit)->wait();
  }
};

/// Each is made once a communicator and a memory. Collective over it. Host memory:
[[nodiscard]] std::unique_ptr<Collectives> make_mpi_collectives();
/// Memory whose contents mean nothing, between simulated ranks:
[[nodiscard]] std::unique_ptr<Collectives> make_phantom_collectives(const Communicator& communicator);
/// Device memory; one a transport.
[[nodiscard]] std::unique_ptr<Collectives> make_device_aware_collectives(const Communicator& communicator,
                                                                         DeviceKind memory);
[[nodiscard]] std::unique_ptr<Collectives> make_staged_collectives(const Communicator& communicator, DeviceKind memory);
/// @throws Error(bad_input) naming the build option when NCCL was not built.
[[nodiscard]] std::unique_ptr<Collectives> make_nccl_collectives(const Communicator& communicator);

}  // namespace ringworld
