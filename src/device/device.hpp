#pragma once
/// @file  A place where buffers live and work runs: the host, one GPU, or what Kokkos was built for.
///
///   compute stream   --[ block 0 ]--[ block 1 ]--o record(event)-------[ block 2 ]-->
///                                                |
///   another stream   ----[ hop 0 ]---------------+ wait_for(event)--[ hop 1 ]------->

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "device/backend.hpp"
#include "device/cost.hpp"
#include "device/memory_ledger.hpp"

namespace ringworld {

class Event;

/// Called between tiles of a kernel: drives communication, and returns false to stop the kernel early. May be empty.
using Progress = std::function<bool()>;

/// An ordered queue of work. On the host every operation has ended when its call returns.
class Stream {
 public:
  virtual ~Stream() = default;
  /// Blocks until all work enqueued so far has ended.
  virtual void synchronize() = 0;
  /// Makes the work enqueued from now on wait until `event`, as it was last recorded, has happened. Does not block.
  virtual void wait_for(const Event& event) = 0;
};

/// A moment in a stream. Before it is recorded it counts as having happened.
class Event {
 public:
  virtual ~Event() = default;
  /// Marks the present end of `stream`.
  virtual void record(Stream& stream) = 0;
  /// Whether all work before the moment has ended. Does not block.
  [[nodiscard]] virtual bool has_happened() const = 0;
  /// Blocks until all work before the moment has ended.
  virtual void synchronize() const = 0;
  /// Seconds from `earlier` to this event; both made by `make_timing_event`, recorded and reached, of the same device.
  [[nodiscard]] virtual double seconds_since(const Event& earlier) const = 0;
};

/// The interface that Buffer, Stream and Event need from a device.
class Device {
 public:
  virtual ~Device() = default;
  [[nodiscard]] virtual DeviceKind kind() const = 0;
  /// Memory that host code reaches and this device copies from and to best; its own kind where host code reaches that.
  [[nodiscard]] virtual DeviceKind staging() const = 0;
  /// For people: the processor's name.
  [[nodiscard]] virtual std::string name() const = 0;
  /// Tells the devices of all nodes apart, and the parts of one that is shared out: the UUID of this process's, as in
  /// "GPU-01234567-89ab-cdef-0123-456789abcdef". Empty for a device that all processes of a node share.
  [[nodiscard]] virtual std::string identity() const { return {}; }
  /// Bytes that can be allocated now, over all processes that share the device.
  [[nodiscard]] virtual std::int64_t available_bytes() const = 0;
  /// Aligned to at least 64 bytes, contents unspecified. Returns nullptr when there is not enough memory. May block on
  /// running work.
  [[nodiscard]] virtual void* allocate(std::int64_t bytes) = 0;
  virtual void release(void* data, std::int64_t bytes) noexcept = 0;
  /// The account of its Buffers.
  [[nodiscard]] MemoryLedger& memory() { return memory_; }
  [[nodiscard]] virtual std::unique_ptr<Stream> make_stream() = 0;
  /// A stream whose work goes first where units of the device become free: for transfers, which fill few of them and
  /// which a kernel that fills all would otherwise hold back to its end.
  [[nodiscard]] virtual std::unique_ptr<Stream> make_urgent_stream() { return make_stream(); }
  [[nodiscard]] virtual std::unique_ptr<Event> make_event() = 0;
  /// An event that also knows its time (`seconds_since`), which costs a GPU more.
  [[nodiscard]] virtual std::unique_ptr<Event> make_timing_event() { return make_event(); }
  /// The one stream on which all kernels of this process are enqueued.
  [[nodiscard]] virtual Stream& compute_stream() = 0;

  /// Enqueues a copy of `bytes` between two places of host, pinned or device memory, in any mix; they do not overlap.
  /// Ordinary host memory may be used again when the call returns (a copy to it blocks), all other memory only once
  /// `stream` has got there.
  virtual void copy(void* to, const void* from, std::int64_t bytes, Stream& stream) = 0;
  /// Enqueues the setting of `bytes` of this device's memory to zero.
  virtual void fill_zero(void* to, std::int64_t bytes, Stream& stream) = 0;

  /// Told by each call of a kernel, before its work is enqueued on the compute stream, what the call costs. A real
  /// device ignores it; on a simulated one the time passes here, and `progress` is called meanwhile.
  /// @return false when `progress` stopped the work
  virtual bool charge(const Cost& /*cost*/, const Progress& /*progress*/) { return true; }

 private:
  MemoryLedger memory_;
};

/// The process's device of this kind; while CountingDevices live, theirs (device/counting/counting_devices.hpp).
/// @throws Error(bad_input) naming the build option when that kind was not built.
[[nodiscard]] Device& device(DeviceKind kind);

/// Each is defined in its own folder; a kind that was not built throws.
[[nodiscard]] Device& host_device();
[[nodiscard]] Device& kokkos_device();
[[nodiscard]] Device& cuda_device();
[[nodiscard]] Device& pinned_device();
[[nodiscard]] Device& simulated_device();

/// Makes the processes of a node share its devices of this kind evenly: this process takes number `rank_on_node` modulo
/// their count. To be called before the first use of the device, from the thread that will use it; does nothing where
/// all processes of a node share one device, or where there is none.
void choose_device(DeviceKind kind, int rank_on_node);

/// `choose_device` for that kind.
void choose_cuda_device(int rank_on_node);

}  // namespace ringworld
