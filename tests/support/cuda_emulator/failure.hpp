#pragma once
/// @file  What goes wrong in emulated code.

#include <source_location>
#include <stdexcept>
#include <string>

namespace cuda_emulator {

/// An error of a kernel, found by the emulator. Becomes cudaErrorLaunchFailure, whose cudaGetErrorString is this message.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Where a thread stands: an instruction, and the line of the kernel that it is on.
struct Place {
  const char* operation = "";
  std::source_location line = std::source_location::current();
};

/// "ldmatrix at forward.cu:123"
[[nodiscard]] std::string describe(const Place& place);

}  // namespace cuda_emulator
