#pragma once
/// @file  The options that every family takes when its kernels are made.

namespace ringworld {

struct KernelOptions {
  /// Threads that one call may use. Only Backend::host runs more than one; the other backends choose their threads
  /// themselves.
  int threads = 1;
};

}  // namespace ringworld
