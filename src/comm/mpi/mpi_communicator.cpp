#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <numeric>
#include <thread>

#include "comm/message_size.hpp"
#include "comm/mpi/messages.hpp"
#include "comm/mpi/mpi_handles.hpp"
#include "comm/native_handle.hpp"
#include "core/error.hpp"
#include "core/simulated_ranks.hpp"

namespace ringworld {

MPI_Op mpi_operation(Reduction reduction) {
  switch (reduction) {
    case Reduction::sum:
      return MPI_SUM;
    case Reduction::min:
      return MPI_MIN;
    case Reduction::max:
      return MPI_MAX;
  }
  throw Error(ErrorKind::internal, "reduction outside its enumeration");
}

void check_mpi(int code, std::source_location where) {
  if (code == MPI_SUCCESS) {
    return;
  }
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw Error(ErrorKind::internal,
              fmt::format("MPI: {}", std::string_view(text.data(), static_cast<std::size_t>(length))), where);
}

void MpiCommunicatorTraits::close(Handle handle) noexcept {
  // A communicator that outlives MPI_Finalize, as after an error, is gone already.
  int is_finalized = 0;
  MPI_Finalized(&is_finalized);
  if (is_finalized == 0) {
    MPI_Comm_free(&handle);
  }
}

namespace {

int rank_in(MPI_Comm communicator) {
  // Before the first call that can fail: errors are to come back as codes.
  check_mpi(MPI_Comm_set_errhandler(communicator, MPI_ERRORS_RETURN));
  int rank = 0;
  check_mpi(MPI_Comm_rank(communicator, &rank));
  return rank;
}

int size_of_group(MPI_Comm communicator) {
  int size = 0;
  check_mpi(MPI_Comm_size(communicator, &size));
  return size;
}

}  // namespace

MpiCommunicator::MpiCommunicator(MPI_Comm owned, Transport wanted)
    : Impl(rank_in(owned), size_of_group(owned), wanted), handle_(owned) {}

std::shared_ptr<Communicator::Impl> make_mpi_world() {
  MPI_Comm copy = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &copy));
  return std::make_shared<MpiCommunicator>(copy);
}

std::vector<int> MpiCommunicator::find_ranks_in_job() const {
  std::vector<int> ranks(static_cast<std::size_t>(size));
  std::iota(ranks.begin(), ranks.end(), 0);
  std::vector<int> found(ranks.size());
  MPI_Group mine = MPI_GROUP_NULL;
  MPI_Group job = MPI_GROUP_NULL;
  check_mpi(MPI_Comm_group(handle(), &mine));
  check_mpi(MPI_Comm_group(MPI_COMM_WORLD, &job));
  check_mpi(MPI_Group_translate_ranks(mine, size, ranks.data(), job, found.data()));
  check_mpi(MPI_Group_free(&mine));
  check_mpi(MPI_Group_free(&job));
  return found;
}

std::shared_ptr<Communicator::Impl> MpiCommunicator::split(int color, int key) const {
  MPI_Comm part = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(handle(), color < 0 ? MPI_UNDEFINED : color, key, &part));
  if (part == MPI_COMM_NULL) {
    return nullptr;
  }
  return std::make_shared<MpiCommunicator>(part, wanted_transport);
}

std::shared_ptr<Communicator::Impl> MpiCommunicator::part(std::span<const int> members, int index) const {
  return split(std::ranges::min(members), index);  // groups are disjoint: the least member names one
}

std::shared_ptr<Communicator::Impl> MpiCommunicator::copy(Transport wanted) const {
  MPI_Comm copy = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(handle(), &copy));
  return std::make_shared<MpiCommunicator>(copy, wanted);
}

std::shared_ptr<Communicator::Impl> MpiCommunicator::split_by_node() const {
  MPI_Comm part = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(handle(), MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &part));
  return std::make_shared<MpiCommunicator>(part, wanted_transport);
}

void MpiCommunicator::barrier() { check_mpi(MPI_Barrier(handle())); }

void MpiCommunicator::barrier_asleep() {
  if (are_ranks_simulated()) {  // simulated ranks take no core, and a real sleep would not let simulated time pass
    barrier();
    return;
  }
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Ibarrier(handle(), &request));
  for (int is_done = 0; true;) {
    check_mpi(MPI_Test(&request, &is_done, MPI_STATUS_IGNORE));
    if (is_done != 0) {
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void MpiCommunicator::all_reduce(std::span<double> values, Reduction reduction) {
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_DOUBLE,
                          mpi_operation(reduction), handle()));
}

void MpiCommunicator::all_reduce(std::span<std::int64_t> values, Reduction reduction) {
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_INT64_T,
                          mpi_operation(reduction), handle()));
}

void MpiCommunicator::broadcast(std::span<std::byte> bytes, int root) {
  for_each_message(std::ssize(bytes), default_message_limit, [&](std::int64_t offset, int count) {
    check_mpi(MPI_Bcast(bytes.data() + offset, count, MPI_BYTE, root, handle()));
  });
}

void MpiCommunicator::all_gather(std::span<const std::byte> mine, std::span<std::byte> all) {
  const int count = static_cast<int>(mine.size());
  check_mpi(MPI_Allgather(mine.data(), count, MPI_BYTE, all.data(), count, MPI_BYTE, handle()));
}

void MpiCommunicator::send(std::span<const std::byte> bytes, int destination, int tag) {
  for_each_message(std::ssize(bytes), default_message_limit, [&](std::int64_t offset, int count) {
    check_mpi(MPI_Send(bytes.data() + offset, count, MPI_BYTE, destination, tag, handle()));
  });
}

void MpiCommunicator::receive(std::span<std::byte> bytes, int source, int tag) {
  for_each_message(std::ssize(bytes), default_message_limit, [&](std::int64_t offset, int count) {
    check_mpi(MPI_Recv(bytes.data() + offset, count, MPI_BYTE, source, tag, handle(), MPI_STATUS_IGNORE));
  });
}

int native_handle(const Communicator& communicator) { return MPI_Comm_c2f(MpiAccess::handle(communicator)); }

}  // namespace ringworld
