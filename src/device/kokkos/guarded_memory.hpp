#pragma once
/// @file  Memory of the host that can be closed to every access, in the place of a device's.

#include <cstdint>
#include <mutex>
#include <unordered_map>

namespace ringworld::kokkos {

/// Blocks of whole pages, closed unless `open` was called more often than `close`.
class GuardedMemory {
 public:
  /// @return nullptr when memory is out
  [[nodiscard]] void* allocate(std::int64_t bytes);
  void release(void* data) noexcept;
  void open();
  void close();

 private:
  void protect(int access) const;

  std::mutex mutex_;
  std::unordered_map<void*, std::size_t> blocks_;  ///< address and size of each
  int opened_ = 0;
};

}  // namespace ringworld::kokkos
