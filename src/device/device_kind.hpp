#pragma once
/// @file  The one list of kinds of devices, and what the rest of the program has to know of a kind.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringworld {

enum class DeviceKind : std::uint8_t {
  host,       ///< ordinary host memory; work runs in the call that asks for it
  kokkos,     ///< memory of Kokkos's default execution space; work runs on its one queue
  cuda,       ///< memory of the GPU; work runs on its streams
  simulated,  ///< of kernels that compute nothing: addresses for messages, whose contents mean nothing
  pinned,     ///< page-locked host memory, which the GPU copies from and to by itself; its streams are the GPU's
};

inline constexpr std::array<std::string_view, 5> device_kind_names{"host", "kokkos", "cuda", "simulated", "pinned"};

[[nodiscard]] constexpr std::string_view name_of(DeviceKind kind) noexcept {
  return device_kind_names[static_cast<std::size_t>(kind)];
}

/// The kind of GPU that gpu.hpp describes, and whose memory several transports can move between ranks
/// (comm/transport.hpp).
inline constexpr DeviceKind gpu_kind = DeviceKind::cuda;

[[nodiscard]] constexpr bool is_gpu(DeviceKind kind) noexcept { return kind == gpu_kind; }

/// Whether the memory is the device's own, so that host code must not follow pointers to it.
[[nodiscard]] constexpr bool has_own_memory(DeviceKind kind) noexcept {
  return kind == DeviceKind::kokkos || kind == DeviceKind::cuda || kind == DeviceKind::simulated;
}

/// Whether the device's work has ended when the call that asks for it returns, so that nobody waits for it later.
[[nodiscard]] constexpr bool works_in_calls(DeviceKind kind) noexcept {
  return kind == DeviceKind::host || kind == DeviceKind::simulated;
}

/// Whether every MPI library reads and writes the memory as it is.
[[nodiscard]] constexpr bool is_within_reach_of_mpi(DeviceKind kind) noexcept {
  return kind == DeviceKind::host || kind == DeviceKind::simulated;
}

}  // namespace ringworld
