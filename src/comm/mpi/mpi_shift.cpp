/// @file  Hops of memory that MPI reads and writes itself.

#include <mpi.h>

#include <vector>

#include "comm/mpi/messages.hpp"
#include "comm/mpi/mpi_handles.hpp"
#include "comm/shift_impl.hpp"
#include "core/error.hpp"
#include "core/simulated_ranks.hpp"

namespace ringworld {
namespace {

class MpiShift final : public Shift::Impl {
 public:
  MpiShift(const Communicator& ranks, const ShiftOptions& options)
      : communicator_(ranks.duplicate()), message_limit_(options.message_limit) {}

  ~MpiShift() override {
    // Requests are pending only when an error unwinds this rank alone.
    if (!requests_.empty()) {
      MpiAccess::leak(communicator_);
    }
  }

  MpiShift(const MpiShift&) = delete;
  MpiShift& operator=(const MpiShift&) = delete;

  void start(const Peers& peers, std::span<const std::byte> sent, std::span<std::byte> received) override {
    require(requests_.empty(), "the hop before has not ended");
    const MPI_Comm handle = MpiAccess::handle(communicator_);
    // The receive comes first: a message that arrives before its receive is buffered and copied once more.
    for_each_message(std::ssize(received), message_limit_, [&](std::int64_t offset, int count) {
      check_mpi(MPI_Irecv(received.data() + offset, count, MPI_BYTE, peers.from, 0, handle,
                          &requests_.emplace_back(MPI_REQUEST_NULL)));
    });
    for_each_message(std::ssize(sent), message_limit_, [&](std::int64_t offset, int count) {
      check_mpi(MPI_Isend(sent.data() + offset, count, MPI_BYTE, peers.to, 0, handle,
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

  [[nodiscard]] bool needs_driving() const override { return !are_ranks_simulated(); }

 private:
  Communicator communicator_;
  std::int64_t message_limit_;
  std::vector<MPI_Request> requests_;
};

}  // namespace

std::unique_ptr<Shift::Impl> make_mpi_shift(const Communicator& ranks, const ShiftOptions& options) {
  return std::make_unique<MpiShift>(ranks, options);
}

}  // namespace ringworld
