#include "device/buffer.hpp"

#include <fmt/format.h>

#include "core/error.hpp"

namespace ringworld {

Buffer::Buffer(std::int64_t bytes, Device& place, MemoryUse use) : place_(&place), use_(use) {
  require(bytes >= 0, "a buffer cannot have a negative size");
  if (bytes == 0) {
    return;
  }
  MemoryLedger& ledger = place.memory();
  if (!ledger.permits(bytes)) {
    const MemoryAccount account = ledger.account();
    throw Error(ErrorKind::out_of_memory, fmt::format("out of memory: {} bytes asked for, {} held, limit {}", bytes,
                                                      account.current, account.limit));
  }
  data_ = place.allocate(bytes);
  if (data_ == nullptr) {
    throw Error(ErrorKind::out_of_memory, fmt::format("out of memory: {} bytes asked for, {} held, {} available", bytes,
                                                      ledger.account().current, place.available_bytes()));
  }
  bytes_ = bytes;
  ledger.enter(bytes, use);
}

Buffer::~Buffer() {
  if (data_ != nullptr) {
    place_->release(data_, bytes_);
    place_->memory().strike(bytes_, use_);
  }
}

}  // namespace ringworld
