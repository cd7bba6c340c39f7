#pragma once
/// @file  Whether what a test wants to run on is there.

#include <string>
#include <vector>

#include "core/error.hpp"
#include "device/device.hpp"

namespace ringworld::test {

/// Why this machine or this build cannot run work of the backend; empty when it can.
/// Usage: `if (const std::string reason = why_unavailable(backend); !reason.empty()) { GTEST_SKIP() << reason; }`
[[nodiscard]] inline std::string why_unavailable(DeviceKind kind) {
  try {
    static_cast<void>(device(kind));
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

[[nodiscard]] inline std::string why_unavailable(Backend backend) { return why_unavailable(device_of(backend)); }

/// The backends whose memory is not the host's, as far as they are here.
[[nodiscard]] inline std::vector<Backend> backends_with_own_memory() {
  std::vector<Backend> here;
  for (const Backend backend : {Backend::kokkos, Backend::cuda}) {
    if (why_unavailable(backend).empty()) {
      here.push_back(backend);
    }
  }
  return here;
}

}  // namespace ringworld::test
