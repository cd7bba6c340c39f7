#pragma once
/// @file  Ownership of NCCL communicators, and the check of NCCL's codes. Included by src/comm/nccl only.
/// Source: NVIDIA, "NCCL 2.28 user guide", sections "Creating a communicator" and "Error handling and communicator abort".

#include <nccl.h>

#include <source_location>

#include "comm/communicator.hpp"

namespace ringworld {

/// Blocks of threads of one operation, at most. NCCL would take up to 32. The forward pass of attention leaves them as many
/// multiprocessors while hops are possible (SpareMultiprocessors). Other kernels fill all: each block of a hop waits
/// until a block of theirs ends, and then takes its place.
inline constexpr int most_blocks = 8;

/// Throws Error(internal) with NCCL's own text unless `code` is success.
void check_nccl(ncclResult_t code, std::source_location where = std::source_location::current());

/// A communicator of NCCL over the ranks of `communicator`, on this process's GPU.
class NcclCommunicator {
 public:
  /// Collective: its identity travels by MPI. Blocks.
  explicit NcclCommunicator(const Communicator& communicator);
  /// Collective, unless an error unwinds this rank: then it aborts what is enqueued, as other ranks may never come.
  ~NcclCommunicator();
  NcclCommunicator(const NcclCommunicator&) = delete;
  NcclCommunicator& operator=(const NcclCommunicator&) = delete;

  [[nodiscard]] ncclComm_t get() const { return handle_; }
  /// @throws Error(internal) when an operation enqueued before has failed, such as for a peer that is gone.
  void check_async() const;

 private:
  ncclComm_t handle_ = nullptr;
  int exceptions_;
};

}  // namespace ringworld
