#pragma once
/// @file  The time in which kernels of the backend kokkos may touch the memory of their device.
///
///   {
///     const LaunchScope scope;
///     Kokkos::parallel_for(...);      // as many as belong together
///   }
///
/// Outside of such a scope nobody may: host code that does works only where the execution space happens to be the host's.
/// RINGWORLD_KOKKOS_GUARD=1 makes that visible on a machine without a GPU: memory that the host can reach is then closed
/// to every access outside of the scopes, so that a wrong one is a segmentation fault. It makes each launch wait for its
/// end, and is for tests.

#include "device/kokkos/runtime.hpp"

namespace ringworld::kokkos {

using ExecutionSpace = Kokkos::DefaultExecutionSpace;
using MemorySpace = typename ExecutionSpace::memory_space;

class LaunchScope {
 public:
  LaunchScope();
  LaunchScope(const LaunchScope&) = delete;
  LaunchScope& operator=(const LaunchScope&) = delete;
  ~LaunchScope();
};

}  // namespace ringworld::kokkos
