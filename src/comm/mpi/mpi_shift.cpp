#include <mpi.h>

#include <algorithm>
#include <vector>

#include "comm/mpi/mpi_handles.hpp"
#include "comm/ring.hpp"
#include "core/error.hpp"

namespace ringworld {

struct Shift::Impl {
  Communicator communicator;
  int next = 0;
  int previous = 0;
  std::int64_t message_limit = 0;
  std::vector<MPI_Request> requests;
  Traffic traffic;
};

Shift::Shift(const Ring& ring, std::int64_t message_limit)
    : impl_(std::make_unique<Impl>(Impl{.communicator = ring.communicator().duplicate(),
                                        .next = ring.next(),
                                        .previous = ring.previous(),
                                        .message_limit = message_limit,
                                        .requests = {},
                                        .traffic = {}})) {
  require(message_limit > 0 && message_limit <= std::int64_t{1} << 30, "a message holds 1 byte to 1 GiB");
}

Shift::Shift(Shift&&) noexcept = default;
Shift& Shift::operator=(Shift&&) noexcept = default;
Shift::~Shift() {
  // Requests are pending only when an error unwinds this rank alone: freeing the communicator, a collective, could then
  // wait for ranks that will never come.
  if (impl_ != nullptr && !impl_->requests.empty()) {
    (void)impl_->communicator.impl_->handle.release();
  }
}

void Shift::start(std::span<const std::byte> to_next, std::span<std::byte> from_previous) {
  require(impl_->requests.empty(), "the hop before has not ended");
  const MPI_Comm handle = impl_->communicator.impl_->handle.get();
  const auto for_each_message = [&](std::size_t bytes, auto&& post) {
    const auto limit = static_cast<std::size_t>(impl_->message_limit);
    for (std::size_t offset = 0; offset < bytes; offset += limit) {
      post(offset, static_cast<int>(std::min(limit, bytes - offset)));
    }
  };
  // The receive comes first: a message that arrives before its receive is buffered and copied once more.
  for_each_message(from_previous.size(), [&](std::size_t offset, int count) {
    check_mpi(MPI_Irecv(from_previous.data() + offset, count, MPI_BYTE, impl_->previous, 0, handle,
                        &impl_->requests.emplace_back(MPI_REQUEST_NULL)));
  });
  for_each_message(to_next.size(), [&](std::size_t offset, int count) {
    check_mpi(MPI_Isend(to_next.data() + offset, count, MPI_BYTE, impl_->next, 0, handle,
                        &impl_->requests.emplace_back(MPI_REQUEST_NULL)));
    impl_->traffic.bytes += count;
    ++impl_->traffic.messages;
  });
  ++impl_->traffic.hops;
}

bool Shift::test() {
  if (impl_->requests.empty()) {
    return true;
  }
  int is_done = 0;
  check_mpi(
      MPI_Testall(static_cast<int>(impl_->requests.size()), impl_->requests.data(), &is_done, MPI_STATUSES_IGNORE));
  if (is_done != 0) {
    impl_->requests.clear();
  }
  return is_done != 0;
}

void Shift::wait() {
  check_mpi(MPI_Waitall(static_cast<int>(impl_->requests.size()), impl_->requests.data(), MPI_STATUSES_IGNORE));
  impl_->requests.clear();
}

const Traffic& Shift::traffic() const { return impl_->traffic; }
void Shift::reset_traffic() { impl_->traffic = {}; }

}  // namespace ringworld
