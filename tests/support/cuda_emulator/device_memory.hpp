#pragma once
/// @file  The memory of the emulated device: one stretch of host memory that only kernels and copies may touch.
///
/// Host code that follows a device pointer ends with a message (SIGSEGV), as without an emulator. Allocations are filled
/// with NaN bytes, and lie between guards that are looked at after every kernel and copy.

#include <cstddef>
#include <cstdint>

namespace cuda_emulator {

inline constexpr std::size_t device_memory_bytes = std::size_t{4} << 30;

/// @returns a multiple of 256, or null when there is no room.
[[nodiscard]] void* allocate_device_memory(std::size_t bytes);
/// @throws Failure for a pointer that is not the begin of an allocation.
void release_device_memory(void* data);
[[nodiscard]] std::size_t free_device_bytes();

[[nodiscard]] void* allocate_pinned_memory(std::size_t bytes);
void release_pinned_memory(void* data);

enum class MemoryKind { pageable, pinned, device };
[[nodiscard]] MemoryKind kind_of(const void* pointer);
/// Whether [pointer, pointer + bytes) lies inside one device allocation.
[[nodiscard]] bool is_inside_allocation(const void* pointer, std::size_t bytes);
/// @throws Failure when a guard was written to.
void check_guards();

/// While one lives, device memory may be touched.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};

}  // namespace cuda_emulator
