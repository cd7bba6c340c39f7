#include "device/buffer.hpp"

#include <fmt/format.h>

#include <array>
#include <mutex>

#include "core/error.hpp"

namespace ringworld {
namespace {

struct Ledger {
  std::mutex mutex;
  std::array<MemoryAccount, device_kind_names.size()> accounts;
};

Ledger& ledger() {
  static Ledger instance;
  return instance;
}

MemoryAccount& account_of(Ledger& book, DeviceKind kind) { return book.accounts[static_cast<std::size_t>(kind)]; }

}  // namespace

MemoryAccount memory_account(DeviceKind kind) {
  const std::scoped_lock lock(ledger().mutex);
  return account_of(ledger(), kind);
}

void reset_high_water(DeviceKind kind) {
  const std::scoped_lock lock(ledger().mutex);
  MemoryAccount& account = account_of(ledger(), kind);
  account.high_water = account.current;
}

void set_memory_limit(std::int64_t bytes, DeviceKind kind) {
  const std::scoped_lock lock(ledger().mutex);
  account_of(ledger(), kind).limit = bytes;
}

Buffer::Buffer(std::int64_t bytes, DeviceKind kind) : kind_(kind) {
  require(bytes >= 0, "a buffer cannot have a negative size");
  if (bytes == 0) {
    return;
  }
  const std::scoped_lock lock(ledger().mutex);
  MemoryAccount& account = account_of(ledger(), kind);
  if (account.limit > 0 && bytes > account.limit - account.current) {
    throw Error(ErrorKind::out_of_memory, fmt::format("out of memory: {} bytes asked for, {} held, limit {}", bytes,
                                                      account.current, account.limit));
  }
  data_ = device(kind).allocate(bytes);
  if (data_ == nullptr) {
    throw Error(ErrorKind::out_of_memory, fmt::format("out of memory: {} bytes asked for, {} held, {} available", bytes,
                                                      account.current, device(kind).available_bytes()));
  }
  bytes_ = bytes;
  account.current += bytes;
  account.high_water = account.current > account.high_water ? account.current : account.high_water;
}

Buffer::~Buffer() {
  if (data_ == nullptr) {
    return;
  }
  const std::scoped_lock lock(ledger().mutex);
  account_of(ledger(), kind_).current -= bytes_;
  device(kind_).release(data_, bytes_);
}

}  // namespace ringworld
