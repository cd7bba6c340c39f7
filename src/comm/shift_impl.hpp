#pragma once
/// @file  The interface that each transport of a Shift implements. Included by src/comm only.

#include <memory>

#include "comm/shift.hpp"

namespace ringworld {

/// One transport's hop. A destructor must not wait for other ranks when an error unwinds this one alone.
class Shift::Impl {
 public:
  virtual ~Impl() = default;
  /// Peers and spans were checked.
  virtual void start(const Peers& peers, std::span<const std::byte> sent, std::span<std::byte> received) = 0;
  virtual bool test() = 0;
  virtual void wait(const std::function<void()>& meanwhile) = 0;
  [[nodiscard]] virtual bool needs_driving() const { return true; }

  Traffic traffic;
};

/// Each is collective over `ranks`. Host memory, or device memory that MPI takes and nobody else works on:
[[nodiscard]] std::unique_ptr<Shift::Impl> make_mpi_shift(const Communicator& ranks, const ShiftOptions& options);
/// Device memory; one a transport.
[[nodiscard]] std::unique_ptr<Shift::Impl> make_device_aware_shift(const Communicator& ranks,
                                                                   const ShiftOptions& options);
[[nodiscard]] std::unique_ptr<Shift::Impl> make_staged_shift(const Communicator& ranks, const ShiftOptions& options);
/// @throws Error(bad_input) naming the build option when NCCL was not built.
[[nodiscard]] std::unique_ptr<Shift::Impl> make_nccl_shift(const Communicator& ranks, const ShiftOptions& options);

}  // namespace ringworld
