#pragma once
/// @file  What is said to every family when its kernels are made.

namespace ringworld {

struct KernelOptions {
  /// That one call may use. Backend::host alone runs more than one; the others have their own ideas of threads.
  int threads = 1;
};

}  // namespace ringworld
