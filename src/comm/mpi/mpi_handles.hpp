#pragma once
/// @file  Ownership of MPI handles, and the check of MPI's return codes. Included by src/comm/mpi only.

#include <mpi.h>

#include <memory>
#include <source_location>
#include <vector>

#include "comm/communicator_impl.hpp"
#include "core/unique_handle.hpp"

namespace ringworld {

/// Throws Error(internal) with MPI's own text unless `code` is success.
void check_mpi(int code, std::source_location where = std::source_location::current());

[[nodiscard]] MPI_Op mpi_operation(Reduction reduction);

struct MpiCommunicatorTraits {
  using Handle = MPI_Comm;
  static Handle null() noexcept { return MPI_COMM_NULL; }
  static void close(Handle handle) noexcept;
};

using MpiCommunicatorHandle = UniqueHandle<MpiCommunicatorTraits>;

/// The ranks of an MPI communicator, which this owns.
class MpiCommunicator final : public Communicator::Impl {
 public:
  explicit MpiCommunicator(MPI_Comm owned, Transport wanted = Transport::automatic);

  [[nodiscard]] MPI_Comm handle() const { return handle_.get(); }
  /// Gives the handle up without freeing it.
  void leak() { (void)handle_.release(); }

  [[nodiscard]] std::vector<int> find_ranks_in_job() const override;
  [[nodiscard]] std::shared_ptr<Impl> split(int color, int key) const override;
  [[nodiscard]] std::shared_ptr<Impl> part(std::span<const int> members, int index) const override;
  [[nodiscard]] std::shared_ptr<Impl> copy(Transport wanted) const override;
  [[nodiscard]] std::shared_ptr<Impl> split_by_node() const override;
  void barrier() override;
  void barrier_asleep() override;
  void all_reduce(std::span<double> values, Reduction reduction) override;
  void all_reduce(std::span<std::int64_t> values, Reduction reduction) override;
  void broadcast(std::span<std::byte> bytes, int root) override;
  void all_gather(std::span<const std::byte> mine, std::span<std::byte> all) override;
  void send(std::span<const std::byte> bytes, int destination, int tag) override;
  void receive(std::span<std::byte> bytes, int source, int tag) override;

 private:
  MpiCommunicatorHandle handle_;
};

/// The way of this folder to MPI's own communicator.
struct MpiAccess {
  /// Borrowed: valid as long as a copy of `communicator` lives.
  [[nodiscard]] static MPI_Comm handle(const Communicator& communicator) { return impl(communicator).handle(); }
  /// Never frees `communicator`, as freeing is collective: for a rank that an error unwinds alone.
  static void leak(const Communicator& communicator) { impl(communicator).leak(); }

 private:
  /// A pretended communicator has no messages: what sends some was made for it by mistake, and std::bad_cast says so.
  [[nodiscard]] static MpiCommunicator& impl(const Communicator& communicator) {
    return dynamic_cast<MpiCommunicator&>(CommunicatorAccess::impl(communicator));
  }
};

}  // namespace ringworld
