#include "support/cuda_emulator/device_memory.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <span>
#include <string_view>

#include "support/cuda_emulator/failure.hpp"

namespace cuda_emulator {
namespace {

constexpr std::size_t guard_bytes = 256;
constexpr std::size_t page = 4096;
constexpr unsigned char poison = 0xff;

/// What guards hold: words that are NaN as well, in float and in bf16, but that no kernel computes.
std::byte guard_at(const std::byte* place) {
  return std::byte{static_cast<unsigned char>(reinterpret_cast<std::uintptr_t>(place) % 2 == 0 ? 0xc1 : 0xff)};
}
void fill_guard(std::span<std::byte> guard) {
  for (std::byte& place : guard) {
    place = guard_at(&place);
  }
}
bool is_intact(std::span<const std::byte> guard) {
  return std::ranges::all_of(guard, [](const std::byte& place) { return place == guard_at(&place); });
}

std::size_t round_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

class Arena {
 public:
  Arena() {
    void* base = mmap(nullptr, device_memory_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) {
      throw std::bad_alloc();
    }
    begin_ = static_cast<std::byte*>(base);
    watch_faults();
  }

  void* allocate(std::size_t bytes) {
    if (bytes > device_memory_bytes) {
      return nullptr;
    }
    const std::size_t needed = round_up(bytes, guard_bytes) + 2 * guard_bytes;
    std::size_t offset = 0;
    for (const auto& [begin, allocation] : allocations_) {
      if (begin - offset >= needed) {
        break;
      }
      offset = begin + allocation.extent;
    }
    if (needed > device_memory_bytes - offset) {
      return nullptr;
    }
    used_ = std::max(used_, offset + needed);
    const DeviceAccess access;
    std::byte* data = begin_ + offset + guard_bytes;
    allocations_[offset] = {bytes, needed};
    for (const std::span<std::byte> edge : edges_of(offset, allocations_[offset])) {
      fill_guard(edge);
    }
    std::memset(data, poison, bytes);
    allocated_ += needed;
    return data;
  }

  void release(void* data) {
    const auto found = allocations_.find(offset_of(data) - guard_bytes);
    if (!contains(data) || found == allocations_.end()) {
      throw Failure("cudaFree of a pointer that cudaMalloc did not give");
    }
    check_guards_of(found->first, found->second);
    {
      const DeviceAccess access;
      std::memset(data, poison, found->second.bytes);  // whoever still reads it shall see
    }
    allocated_ -= found->second.extent;
    allocations_.erase(found);
  }

  void check_guards() const {
    for (const auto& [offset, allocation] : allocations_) {
      check_guards_of(offset, allocation);
    }
  }

  [[nodiscard]] bool contains(const void* pointer) const { return offset_of(pointer) < device_memory_bytes; }

  [[nodiscard]] bool is_inside_allocation(const void* pointer, std::size_t bytes) const {
    auto after = allocations_.upper_bound(offset_of(pointer));
    if (!contains(pointer) || after == allocations_.begin()) {
      return false;
    }
    const auto& [begin, allocation] = *std::prev(after);
    const std::size_t from_begin = offset_of(pointer) - begin;
    return from_begin >= guard_bytes && from_begin - guard_bytes + bytes <= allocation.bytes;
  }

  [[nodiscard]] std::size_t free_bytes() const { return device_memory_bytes - allocated_; }

  void open() {
    if (openings_++ == 0) {
      protect(PROT_READ | PROT_WRITE);
    }
  }
  void close() {
    if (--openings_ == 0) {
      protect(PROT_NONE);
    }
  }

 private:
  struct Allocation {
    std::size_t bytes = 0;
    std::size_t extent = 0;  ///< with both guards
  };

  [[nodiscard]] std::size_t offset_of(const void* pointer) const {
    return reinterpret_cast<std::uintptr_t>(pointer) - reinterpret_cast<std::uintptr_t>(begin_);
  }

  /// The guards before and after an allocation.
  [[nodiscard]] std::array<std::span<std::byte>, 2> edges_of(std::size_t offset, const Allocation& allocation) const {
    std::byte* begin = begin_ + offset;
    std::byte* end = begin + guard_bytes + allocation.bytes;
    return {std::span(begin, guard_bytes), std::span(end, allocation.extent - guard_bytes - allocation.bytes)};
  }

  /// Mends what it complains of, so that an error is told once.
  void check_guards_of(std::size_t offset, const Allocation& allocation) const {
    const DeviceAccess access;
    const std::array<std::span<std::byte>, 2> edges = edges_of(offset, allocation);
    for (const std::span<std::byte> edge : edges) {
      if (!is_intact(edge)) {
        fill_guard(edge);
        throw Failure(fmt::format("a write {} an allocation of {} bytes of device memory",
                                  edge.data() == edges.front().data() ? "before" : "past the end of",
                                  allocation.bytes));
      }
    }
  }

  void protect(int protection) const {
    if (used_ > 0 && mprotect(begin_, round_up(used_, page), protection) != 0) {
      throw std::bad_alloc();
    }
  }

  /// Says what a fault in device memory means, then lets it take its course.
  static void explain_fault(int number, siginfo_t* info, void* /*context*/);

  static void watch_faults() {
#ifndef __SANITIZE_ADDRESS__  // which has a handler of its own
    static std::array<std::byte, 65536> stack;
    stack_t alternative{};
    alternative.ss_sp = stack.data();
    alternative.ss_size = stack.size();
    sigaltstack(&alternative, nullptr);  // kernels run on small stacks
    struct sigaction action{};
    action.sa_sigaction = explain_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | static_cast<int>(SA_RESETHAND);
    sigaction(SIGSEGV, &action, nullptr);
#endif
  }

  std::byte* begin_ = nullptr;
  std::size_t used_ = 0;
  std::size_t allocated_ = 0;
  std::map<std::size_t, Allocation> allocations_;  // by the offset of their first guard
  int openings_ = 0;
};

Arena& arena() {
  static Arena instance;
  return instance;
}

void Arena::explain_fault(int /*number*/, siginfo_t* info, void* /*context*/) {
  const std::string_view text = arena().contains(info->si_addr) && arena().openings_ == 0
                                    ? "cuda_emulator: host code touched device memory\n"
                                    : "cuda_emulator: a bad address was touched (in a kernel: host memory, a null "
                                      "pointer, or a stack that is full)\n";
  static_cast<void>(!write(STDERR_FILENO, text.data(), text.size()));
}

/// By their first byte; the values are their sizes.
std::map<const std::byte*, std::size_t>& pinned_blocks() {
  static std::map<const std::byte*, std::size_t> blocks;
  return blocks;
}

}  // namespace

void* allocate_device_memory(std::size_t bytes) { return arena().allocate(bytes); }
void release_device_memory(void* data) { arena().release(data); }
std::size_t free_device_bytes() { return arena().free_bytes(); }

void* allocate_pinned_memory(std::size_t bytes) {
  if (bytes > device_memory_bytes) {
    return nullptr;
  }
  void* data = std::aligned_alloc(page, round_up(bytes, page));
  if (data != nullptr) {
    std::memset(data, poison, bytes);
    pinned_blocks()[static_cast<std::byte*>(data)] = bytes;
  }
  return data;
}

void release_pinned_memory(void* data) {
  if (pinned_blocks().erase(static_cast<std::byte*>(data)) == 0) {
    throw Failure("cudaFreeHost of a pointer that cudaMallocHost did not give");
  }
  std::free(data);
}

MemoryKind kind_of(const void* pointer) {
  if (arena().contains(pointer)) {
    return MemoryKind::device;
  }
  const auto* byte = static_cast<const std::byte*>(pointer);
  const auto after = pinned_blocks().upper_bound(byte);
  const bool is_pinned = after != pinned_blocks().begin() && byte < std::prev(after)->first + std::prev(after)->second;
  return is_pinned ? MemoryKind::pinned : MemoryKind::pageable;
}

bool is_inside_allocation(const void* pointer, std::size_t bytes) {
  return arena().is_inside_allocation(pointer, bytes);
}
void check_guards() { arena().check_guards(); }

DeviceAccess::DeviceAccess() { arena().open(); }
DeviceAccess::~DeviceAccess() { arena().close(); }

}  // namespace cuda_emulator
