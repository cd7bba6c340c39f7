#pragma once
/// @file  What carries the messages of a Communicator. Included by src/comm only.

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "comm/collectives_impl.hpp"
#include "comm/communicator.hpp"
#include "device/device.hpp"

namespace ringworld {

/// Calls are collective as those of Communicator with the same names; lengths were checked.
class Communicator::Impl {
 public:
  Impl(int rank_in, int size_in, Transport wanted) : rank(rank_in), size(size_in), wanted_transport(wanted) {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  virtual ~Impl() = default;

  [[nodiscard]] virtual bool is_pretended() const { return false; }
  /// The rank in the whole job of every rank.
  [[nodiscard]] virtual std::vector<int> find_ranks_in_job() const = 0;
  /// Null where `color` is negative.
  [[nodiscard]] virtual std::shared_ptr<Impl> split(int color, int key) const = 0;
  [[nodiscard]] virtual std::shared_ptr<Impl> part(std::span<const int> members, int index) const = 0;
  [[nodiscard]] virtual std::shared_ptr<Impl> copy(Transport wanted) const = 0;
  [[nodiscard]] virtual std::shared_ptr<Impl> split_by_node() const = 0;
  virtual void barrier() = 0;
  virtual void barrier_asleep() = 0;
  virtual void all_reduce(std::span<double> values, Reduction reduction) = 0;
  virtual void all_reduce(std::span<std::int64_t> values, Reduction reduction) = 0;
  virtual void broadcast(std::span<std::byte> bytes, int root) = 0;
  virtual void all_gather(std::span<const std::byte> mine, std::span<std::byte> all) = 0;
  virtual void send(std::span<const std::byte> bytes, int destination, int tag) = 0;
  virtual void receive(std::span<std::byte> bytes, int source, int tag) = 0;

  const int rank;
  const int size;
  const Transport wanted_transport;
  std::optional<Transport> transport;  // decided at its first use
  std::array<std::unique_ptr<Collectives>, device_kind_names.size()>
      collectives;                // of each memory, made at their first use
  std::vector<int> ranks_in_job;  // found at their first use
};

/// Gives src/comm access to the implementation of a Communicator.
struct CommunicatorAccess {
  [[nodiscard]] static Communicator::Impl& impl(const Communicator& communicator) { return *communicator.impl_; }
  [[nodiscard]] static std::unique_ptr<Collectives>& collectives(const Communicator& communicator, DeviceKind memory) {
    return communicator.impl_->collectives[static_cast<std::size_t>(memory)];
  }
};

[[nodiscard]] std::shared_ptr<Communicator::Impl> make_mpi_world();
[[nodiscard]] std::shared_ptr<Communicator::Impl> make_pretended(int rank, int size);

}  // namespace ringworld
