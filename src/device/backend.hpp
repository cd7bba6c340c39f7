#pragma once
/// @file  The families of kernels that a run can choose from.

#include <array>
#include <cstdint>
#include <string_view>

namespace ringworld {

enum class Backend : std::uint8_t {
  reference,  ///< plain loops, double accumulators: the oracle
  kokkos,     ///< portable kernels for any Kokkos execution space
  host,       ///< tuned for CPUs
  cuda,       ///< tuned for NVIDIA GPUs
};

inline constexpr std::array<std::string_view, 4> backend_names{"reference", "kokkos", "host", "cuda"};

[[nodiscard]] constexpr std::string_view name_of(Backend backend) noexcept {
  return backend_names[static_cast<std::size_t>(backend)];
}

/// @throws Error(bad_input) naming the nearest backend.
[[nodiscard]] Backend parse_backend(std::string_view name);

}  // namespace ringworld
