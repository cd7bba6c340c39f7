#pragma once
/// @file  Values of any memory within reach of host code, a piece at a time: in place on the host, else by way of a copy
/// of theirs. For checkpoints, first values and tests; what a step moves goes through DualArray, which does not block.

#include <cstdint>
#include <span>
#include <type_traits>

#include "device/buffer.hpp"

namespace ringworld {

/// Holds memory for the largest piece that it has handled.
class HostAccess {
 public:
  explicit HostAccess(DeviceKind memory) : memory_(memory), is_in_reach_(device(memory).staging() == memory) {}

  /// `values`, or a copy that is valid until the next call. Blocks until all that was enqueued has ended.
  template <class T>
  [[nodiscard]] std::span<const std::remove_const_t<T>> read(std::span<T> values) {
    using Value = std::remove_const_t<T>;
    return {static_cast<const Value*>(read_bytes(values.data(), static_cast<std::int64_t>(values.size_bytes()))),
            values.size()};
  }

  /// Has `function(std::span<T>)` write all of `values`. Blocks as `read` does.
  template <class T, class Function>
  void write(std::span<T> values, Function&& function) {
    const auto bytes = static_cast<std::int64_t>(values.size_bytes());
    function(std::span<T>(static_cast<T*>(begin_write(values.data(), bytes)), values.size()));
    end_write(values.data(), bytes);
  }

 private:
  [[nodiscard]] const void* read_bytes(const void* values, std::int64_t bytes);
  [[nodiscard]] void* begin_write(void* values, std::int64_t bytes);
  void end_write(void* values, std::int64_t bytes);
  void make_room(std::int64_t bytes);
  void copy(void* to, const void* from, std::int64_t bytes) const;

  DeviceKind memory_;
  bool is_in_reach_;
  Buffer staging_;
};

}  // namespace ringworld
