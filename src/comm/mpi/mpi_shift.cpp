/// @file  Hops of memory that MPI reads and writes itself.

#include <mpi.h>

#include <algorithm>
#include <vector>

#include "comm/mpi/mpi_handles.hpp"
#include "comm/shift_impl.hpp"
#include "core/error.hpp"

namespace ringworld {
namespace {

class MpiShift final : public Shift::Impl {
 public:
  MpiShift(const Ring& ring, const ShiftOptions& options)
      : communicator_(ring.communicator().duplicate()),
        next_(ring.next()),
        previous_(ring.previous()),
        message_limit_(static_cast<std::size_t>(options.message_limit)) {}

  ~MpiShift() override {
    // Requests are pending only when an error unwinds this rank alone.
    if (!requests_.empty()) {
      MpiAccess::leak(communicator_);
    }
  }

  MpiShift(const MpiShift&) = delete;
  MpiShift& operator=(const MpiShift&) = delete;

  void start(std::span<const std::byte> to_next, std::span<std::byte> from_previous) override {
    require(requests_.empty(), "the hop before has not ended");
    const MPI_Comm handle = MpiAccess::handle(communicator_);
    // The receive comes first: a message that arrives before its receive is buffered and copied once more.
    for_each_message(from_previous.size(), [&](std::size_t offset, int count) {
      check_mpi(MPI_Irecv(from_previous.data() + offset, count, MPI_BYTE, previous_, 0, handle,
                          &requests_.emplace_back(MPI_REQUEST_NULL)));
    });
    for_each_message(to_next.size(), [&](std::size_t offset, int count) {
      check_mpi(MPI_Isend(to_next.data() + offset, count, MPI_BYTE, next_, 0, handle,
                          &requests_.emplace_back(MPI_REQUEST_NULL)));
      traffic.bytes += count;
      ++traffic.messages;
    });
    ++traffic.hops;
  }

  bool test() override {
    if (requests_.empty()) {
      return true;
    }
    int is_done = 0;
    check_mpi(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &is_done, MPI_STATUSES_IGNORE));
    if (is_done != 0) {
      requests_.clear();
    }
    return is_done != 0;
  }

  void wait(const std::function<void()>& /*meanwhile: MPI drives all its messages at once*/) override {
    check_mpi(MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE));
    requests_.clear();
  }

 private:
  template <class Post>
  void for_each_message(std::size_t bytes, Post&& post) const {
    for (std::size_t offset = 0; offset < bytes; offset += message_limit_) {
      post(offset, static_cast<int>(std::min(message_limit_, bytes - offset)));
    }
  }

  Communicator communicator_;
  int next_;
  int previous_;
  std::size_t message_limit_;
  std::vector<MPI_Request> requests_;
};

}  // namespace

std::unique_ptr<Shift::Impl> make_mpi_shift(const Ring& ring, const ShiftOptions& options) {
  return std::make_unique<MpiShift>(ring, options);
}

}  // namespace ringworld
