#pragma once
/// @file  How much memory the kernel says this process has touched: independent of our own account of buffers.

#include <cstdint>

namespace ringworld {

/// Measures the growth of the process's resident memory from here on.
class ResidentGrowth {
 public:
  ResidentGrowth();
  /// Largest resident size since construction, less that at construction, in bytes; 0 where the kernel does not tell.
  [[nodiscard]] std::int64_t peak_bytes() const;

 private:
  std::int64_t initial_bytes_;
};

}  // namespace ringworld
