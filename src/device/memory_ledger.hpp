#pragma once
/// @file  The account of a device's memory: bytes held by buffers now, by use, and the high-water mark.

#include <array>
#include <cstdint>
#include <mutex>
#include <numeric>
#include <string_view>

namespace ringworld {

/// The use of a buffer.
enum class MemoryUse : std::uint8_t {
  parameters,   ///< fp32 shards
  gradients,    ///< fp32 shards
  moments,      ///< optimiser state of the shards
  gathered,     ///< whole units on their way: parameters, gradients, and bf16 copies of them
  activations,  ///< kept from the forward to the backward pass
  scratch,      ///< everything else: one layer's, one chunk of logits, the batch, kernels' own
  attention,    ///< running state and travelling blocks of a sequence schedule, and its kernel's scratch memory
};

inline constexpr std::array<std::string_view, 7> memory_use_names{
    "parameters",         "gradients", "moments", "gathered units", "activations", "layer and logits scratch",
    "attention workspace"};

[[nodiscard]] constexpr std::string_view name_of(MemoryUse use) noexcept {
  return memory_use_names[static_cast<std::size_t>(use)];
}

/// Bytes by use.
struct MemoryByUse {
  std::array<std::int64_t, memory_use_names.size()> bytes{};

  [[nodiscard]] std::int64_t& operator[](MemoryUse use) { return bytes[static_cast<std::size_t>(use)]; }
  [[nodiscard]] std::int64_t operator[](MemoryUse use) const { return bytes[static_cast<std::size_t>(use)]; }
  [[nodiscard]] std::int64_t total() const { return std::accumulate(bytes.begin(), bytes.end(), std::int64_t{0}); }
  [[nodiscard]] bool operator==(const MemoryByUse&) const = default;
};

/// Bytes that live Buffers of one device hold in this process.
struct MemoryAccount {
  std::int64_t current = 0;
  std::int64_t high_water = 0;  ///< largest `current` since the last reset
  std::int64_t limit = 0;       ///< allocations beyond it fail; 0 = no limit but the device's own
  MemoryByUse at_high_water;    ///< by use, when `current` was largest
};

/// Every device has one. May be used by several threads.
class MemoryLedger {
 public:
  [[nodiscard]] MemoryAccount account() const;
  /// Sets the high-water mark back to what is held now.
  void reset_high_water();
  /// Makes allocations that would hold more than `bytes` fail, as on a smaller device; 0 lifts the limit.
  void set_limit(std::int64_t bytes);

  /// Whether the limit leaves room for `bytes` more.
  [[nodiscard]] bool permits(std::int64_t bytes) const;
  /// Enters bytes that were allocated.
  void enter(std::int64_t bytes, MemoryUse use);
  void strike(std::int64_t bytes, MemoryUse use) noexcept;

 private:
  mutable std::mutex mutex_;
  MemoryAccount account_;
  MemoryByUse now_;
};

}  // namespace ringworld
