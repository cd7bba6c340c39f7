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

/// One way in which floats and blocks travel. Every call is collective over `communicator`; lengths were checked.
class Collectives {
 public:
  virtual ~Collectives() = default;
  [[nodiscard]] virtual std::unique_ptr<PendingCollective::Impl> start_all_gather(const Communicator& communicator,
                                                                                  std::span<const float> mine,
                                                                                  std::span<float> all) = 0;
  [[nodiscard]] virtual std::unique_ptr<PendingCollective::Impl> start_reduce_scatter(const Communicator& communicator,
                                                                                      std::span<const float> all,
                                                                                      std::span<float> mine) = 0;
  [[nodiscard]] virtual std::unique_ptr<PendingCollective::Impl> start_all_gather(const Communicator& communicator,
                                                                                  const RankBlocks& blocks) = 0;
  [[nodiscard]] virtual std::unique_ptr<PendingCollective::Impl> start_reduce_scatter(const Communicator& communicator,
                                                                                      const RankBlocks& blocks) = 0;
  virtual void all_reduce(const Communicator& communicator, std::span<float> values, Reduction reduction) = 0;
};

/// Collectives of host memory.
[[nodiscard]] Collectives& mpi_collectives();
/// Those of device memory; made once a communicator. Collective.
[[nodiscard]] std::unique_ptr<Collectives> make_device_aware_collectives(DeviceKind memory);
[[nodiscard]] std::unique_ptr<Collectives> make_staged_collectives(DeviceKind memory);
/// @throws Error(bad_input) naming the build option when NCCL was not built.
[[nodiscard]] std::unique_ptr<Collectives> make_nccl_collectives(const Communicator& communicator);
/// What carries such memory between these ranks, made at the first call. Collective.
[[nodiscard]] Collectives& device_collectives(const Communicator& communicator, DeviceKind memory);

}  // namespace ringworld
