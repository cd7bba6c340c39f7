/// @file  Kokkos's default execution space and the memory that belongs to it.
///
/// All work goes to the one default instance of the space, in the order of the calls, whatever stream it was given to.
/// Kokkos has no events: recording one waits for the work so far. That costs the overlap of transfers with kernels on a
/// GPU, and nothing on a CPU.

#include <cstdlib>
#include <functional>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "core/clock.hpp"
#include "device/device.hpp"
#include "device/kokkos/guarded_memory.hpp"
#include "device/kokkos/launch_scope.hpp"

namespace ringworld {
namespace {

using kokkos::ExecutionSpace;
using kokkos::MemorySpace;

constexpr bool can_host_reach = Kokkos::SpaceAccessibility<Kokkos::HostSpace, MemorySpace>::accessible;

/// Null unless memory is guarded.
kokkos::GuardedMemory* guarded_memory() {
  static kokkos::GuardedMemory memory;
  static const bool is_guarded = [] {
    const char* value = std::getenv("RINGWORLD_KOKKOS_GUARD");
    return can_host_reach && value != nullptr && std::string_view(value) == "1";
  }();
  return is_guarded ? &memory : nullptr;
}

class KokkosStream final : public Stream {
 public:
  void synchronize() override { ExecutionSpace().fence(); }
  void wait_for(const Event& /*event*/) override {}
};

class KokkosEvent final : public Event {
 public:
  void record(Stream& stream) override {
    stream.synchronize();
    moment_ = now_seconds();
  }
  [[nodiscard]] bool has_happened() const override { return true; }
  void synchronize() const override {}
  [[nodiscard]] double seconds_since(const Event& earlier) const override {
    return moment_ - dynamic_cast<const KokkosEvent&>(earlier).moment_;
  }

 private:
  double moment_ = 0;
};

template <class Space>
using Bytes = Kokkos::View<char*, Space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;

/// Addresses of memory that the host cannot reach: a pointer does not tell its space.
class OwnBlocks {
 public:
  void add(const void* data, std::int64_t bytes) {
    const std::scoped_lock lock(mutex_);
    blocks_.emplace(static_cast<const char*>(data), bytes);
  }
  void remove(const void* data) {
    const std::scoped_lock lock(mutex_);
    blocks_.erase(static_cast<const char*>(data));
  }
  [[nodiscard]] bool holds(const void* address) const {
    const std::scoped_lock lock(mutex_);
    const auto* at = static_cast<const char*>(address);
    const auto after = blocks_.upper_bound(at);
    return after != blocks_.begin() && at < std::prev(after)->first + std::prev(after)->second;
  }

 private:
  mutable std::mutex mutex_;
  std::map<const char*, std::int64_t, std::less<>> blocks_;  ///< address and size of each
};

class KokkosDevice final : public Device {
 public:
  KokkosDevice() { kokkos::Runtime::ensure(); }

  [[nodiscard]] DeviceKind kind() const override { return DeviceKind::kokkos; }
  [[nodiscard]] DeviceKind staging() const override { return DeviceKind::host; }
  [[nodiscard]] std::string name() const override {
    const std::string space = std::string("Kokkos ") + ExecutionSpace::name();
    return can_host_reach ? space + " on " + host_device().name() : space;
  }
  /// Kokkos cannot be asked what a GPU has left: the limit is then met when memory is asked for.
  [[nodiscard]] std::int64_t available_bytes() const override { return host_device().available_bytes(); }

  [[nodiscard]] void* allocate(std::int64_t bytes) override {
    if (kokkos::GuardedMemory* guarded = guarded_memory()) {
      return guarded->allocate(bytes);
    }
    if constexpr (can_host_reach) {
      return host_device().allocate(bytes);
    } else {
      try {
        void* data = Kokkos::kokkos_malloc<MemorySpace>("ringworld", static_cast<std::size_t>(bytes));
        blocks_.add(data, bytes);
        return data;
      } catch (const std::exception&) {  // what Kokkos throws when memory is out differs between its versions
        return nullptr;
      }
    }
  }

  void release(void* data, std::int64_t bytes) noexcept override {
    if (!Kokkos::is_initialized()) {
      return;  // the process is ending, and its memory with it
    }
    ExecutionSpace().fence();
    if (kokkos::GuardedMemory* guarded = guarded_memory()) {
      guarded->release(data);
    } else if constexpr (can_host_reach) {
      host_device().release(data, bytes);
    } else {
      blocks_.remove(data);
      Kokkos::kokkos_free<MemorySpace>(data);
    }
  }

  [[nodiscard]] std::unique_ptr<Stream> make_stream() override { return std::make_unique<KokkosStream>(); }
  [[nodiscard]] std::unique_ptr<Event> make_event() override { return std::make_unique<KokkosEvent>(); }
  [[nodiscard]] Stream& compute_stream() override { return compute_stream_; }

  void copy(void* to, const void* from, std::int64_t bytes, Stream& stream) override {
    if (bytes == 0) {
      return;
    }
    const kokkos::LaunchScope scope;
    const auto count = static_cast<std::size_t>(bytes);
    auto* target = static_cast<char*>(to);
    // A view takes no pointer to constants; the source is only read.
    auto* source = const_cast<char*>(static_cast<const char*>(from));
    const bool is_target_here = can_host_reach || blocks_.holds(to);
    const bool is_source_here = can_host_reach || blocks_.holds(from);
    if (is_target_here && is_source_here) {
      Kokkos::deep_copy(Bytes<MemorySpace>(target, count), Bytes<MemorySpace>(source, count));
    } else if (is_target_here) {
      Kokkos::deep_copy(Bytes<MemorySpace>(target, count), Bytes<Kokkos::HostSpace>(source, count));
    } else if (is_source_here) {
      Kokkos::deep_copy(Bytes<Kokkos::HostSpace>(target, count), Bytes<MemorySpace>(source, count));
    } else {
      Kokkos::deep_copy(Bytes<Kokkos::HostSpace>(target, count), Bytes<Kokkos::HostSpace>(source, count));
    }
    stream.synchronize();
  }

  void fill_zero(void* to, std::int64_t bytes, Stream& stream) override {
    if (bytes > 0) {
      const kokkos::LaunchScope scope;
      Kokkos::deep_copy(Bytes<MemorySpace>(static_cast<char*>(to), static_cast<std::size_t>(bytes)), char{});
      stream.synchronize();
    }
  }

 private:
  KokkosStream compute_stream_;
  OwnBlocks blocks_;
};

}  // namespace

Device& kokkos_device() {
  static KokkosDevice instance;
  return instance;
}

namespace kokkos {

LaunchScope::LaunchScope() {
  if (GuardedMemory* guarded = guarded_memory()) {
    guarded->open();
  }
}

LaunchScope::~LaunchScope() {
  if (GuardedMemory* guarded = guarded_memory()) {
    ExecutionSpace().fence();
    guarded->close();
  }
}

}  // namespace kokkos
}  // namespace ringworld
