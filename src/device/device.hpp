#pragma once
/// @file  A place where buffers live and work runs: the host, or one GPU.

#include <cstdint>
#include <memory>
#include <string>

namespace ringworld {

enum class DeviceKind : std::uint8_t { host, cuda };

/// An ordered queue of work. On the host every operation has ended when its call returns.
class Stream {
 public:
  virtual ~Stream() = default;
  /// Blocks until all work enqueued so far has ended.
  virtual void synchronize() = 0;
};

/// A moment in a stream.
class Event {
 public:
  virtual ~Event() = default;
  /// Marks the present end of `stream`.
  virtual void record(Stream& stream) = 0;
  /// Seconds from `earlier` to this event; both recorded and reached, of the same device.
  [[nodiscard]] virtual double seconds_since(const Event& earlier) const = 0;
};

/// What Buffer, Stream and Event need from a device.
class Device {
 public:
  virtual ~Device() = default;
  [[nodiscard]] virtual DeviceKind kind() const = 0;
  /// For people: the processor's name.
  [[nodiscard]] virtual std::string name() const = 0;
  /// Bytes that can be allocated now, over all processes that share the device.
  [[nodiscard]] virtual std::int64_t available_bytes() const = 0;
  /// Aligned to at least 64 bytes, contents unspecified. Returns nullptr when memory is out.
  [[nodiscard]] virtual void* allocate(std::int64_t bytes) = 0;
  virtual void release(void* data, std::int64_t bytes) noexcept = 0;
  [[nodiscard]] virtual std::unique_ptr<Stream> make_stream() = 0;
  [[nodiscard]] virtual std::unique_ptr<Event> make_event() = 0;
};

/// The process's device of this kind.
/// @throws Error(bad_input) naming the build option when that kind was not built.
[[nodiscard]] Device& device(DeviceKind kind);

/// Each is defined in its own folder; a kind that was not built throws.
[[nodiscard]] Device& host_device();
[[nodiscard]] Device& cuda_device();

}  // namespace ringworld
