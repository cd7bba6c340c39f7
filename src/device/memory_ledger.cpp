#include "device/memory_ledger.hpp"

namespace ringworld {

MemoryAccount MemoryLedger::account() const {
  const std::scoped_lock lock(mutex_);
  return account_;
}

void MemoryLedger::reset_high_water() {
  const std::scoped_lock lock(mutex_);
  account_.high_water = account_.current;
  account_.at_high_water = now_;
}

void MemoryLedger::set_limit(std::int64_t bytes) {
  const std::scoped_lock lock(mutex_);
  account_.limit = bytes;
}

bool MemoryLedger::permits(std::int64_t bytes) const {
  const std::scoped_lock lock(mutex_);
  return account_.limit == 0 || bytes <= account_.limit - account_.current;
}

void MemoryLedger::enter(std::int64_t bytes, MemoryUse use) {
  const std::scoped_lock lock(mutex_);
  account_.current += bytes;
  now_[use] += bytes;
  if (account_.current > account_.high_water) {
    account_.high_water = account_.current;
    account_.at_high_water = now_;
  }
}

void MemoryLedger::strike(std::int64_t bytes, MemoryUse use) noexcept {
  const std::scoped_lock lock(mutex_);
  account_.current -= bytes;
  now_[use] -= bytes;
}

}  // namespace ringworld
