#pragma once
/// @file  The one list of backends: families of kernels that a run can choose from, and what the rest of the program
/// has to know of them. How their kernels are made stands in kernels/backends.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "device/device_kind.hpp"

namespace ringworld {

enum class Backend : std::uint8_t {
  reference,  ///< plain loops, double accumulators: the oracle
  kokkos,     ///< portable kernels for any Kokkos execution space
  host,       ///< tuned for CPUs
  cuda,       ///< tuned for NVIDIA GPUs
  simulated,  ///< computes nothing, and takes the time that measured rates say
};

struct BackendTraits {
  std::string_view name;
  DeviceKind memory;              ///< kind of device that runs its kernels and holds their buffers
  bool is_tuned;                  ///< built for speed on the devices that it is for
  bool computes;                  ///< whether results mean something
  std::string_view build_option;  ///< CMake option that enables it; empty: every build has it
};

// In the order of Backend.
inline constexpr std::array backend_traits{
    BackendTraits{"reference", DeviceKind::host, false, true, ""},
    BackendTraits{"kokkos", DeviceKind::kokkos, false, true, "RINGWORLD_ENABLE_KOKKOS"},
    BackendTraits{"host", DeviceKind::host, true, true, ""},
    BackendTraits{"cuda", DeviceKind::cuda, true, true, "RINGWORLD_ENABLE_CUDA"},
    BackendTraits{"simulated", DeviceKind::simulated, false, false, ""},
};

inline constexpr auto backend_names = [] {
  std::array<std::string_view, backend_traits.size()> names;
  for (std::size_t index = 0; index < names.size(); ++index) {
    names[index] = backend_traits[index].name;
  }
  return names;
}();

inline constexpr auto all_backends = [] {
  std::array<Backend, backend_traits.size()> backends{};
  for (std::size_t index = 0; index < backends.size(); ++index) {
    backends[index] = static_cast<Backend>(index);
  }
  return backends;
}();

[[nodiscard]] constexpr const BackendTraits& traits_of(Backend backend) noexcept {
  return backend_traits[static_cast<std::size_t>(backend)];
}
[[nodiscard]] constexpr std::string_view name_of(Backend backend) noexcept { return traits_of(backend).name; }
[[nodiscard]] constexpr DeviceKind device_of(Backend backend) noexcept { return traits_of(backend).memory; }

/// @throws Error(bad_input) naming the nearest backend.
[[nodiscard]] Backend parse_backend(std::string_view name);

}  // namespace ringworld
