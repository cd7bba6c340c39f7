#include "device/kokkos/guarded_memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

namespace ringworld::kokkos {

void* GuardedMemory::allocate(std::int64_t bytes) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t size = (static_cast<std::size_t>(bytes) + page - 1) / page * page;
  const std::scoped_lock lock(mutex_);
  void* data =
      ::mmap(nullptr, size, opened_ > 0 ? PROT_READ | PROT_WRITE : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    return nullptr;
  }
  blocks_.emplace(data, size);
  return data;
}

void GuardedMemory::release(void* data) noexcept {
  const std::scoped_lock lock(mutex_);
  const auto block = blocks_.find(data);
  ::munmap(block->first, block->second);
  blocks_.erase(block);
}

void GuardedMemory::open() {
  const std::scoped_lock lock(mutex_);
  if (opened_++ == 0) {
    protect(PROT_READ | PROT_WRITE);
  }
}

void GuardedMemory::close() {
  const std::scoped_lock lock(mutex_);
  if (--opened_ == 0) {
    protect(PROT_NONE);
  }
}

void GuardedMemory::protect(int access) const {
  for (const auto& [data, size] : blocks_) {
    ::mprotect(data, size, access);
  }
}

}  // namespace ringworld::kokkos
