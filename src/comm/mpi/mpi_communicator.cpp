#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <numeric>
#include <thread>

#include "comm/communicator.hpp"
#include "comm/mpi/mpi_handles.hpp"
#include "comm/native_handle.hpp"
#include "comm/transport_facts.hpp"
#include "core/activity.hpp"
#include "core/error.hpp"

namespace ringworld {
namespace {

constexpr std::size_t message_limit = std::size_t{1} << 30;

/// Calls `function(offset, count)` for pieces that MPI can count.
template <class Function>
void for_each_piece(std::size_t bytes, Function&& function) {
  for (std::size_t offset = 0; offset < bytes; offset += message_limit) {
    function(offset, static_cast<int>(std::min(message_limit, bytes - offset)));
  }
}

}  // namespace

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

Communicator::Impl::Impl(MPI_Comm owned, Transport wanted) : handle(owned), wanted_transport(wanted) {
  check_mpi(MPI_Comm_set_errhandler(owned, MPI_ERRORS_RETURN));
  check_mpi(MPI_Comm_rank(owned, &rank));
  check_mpi(MPI_Comm_size(owned, &size));
}

Communicator Communicator::world() {
  MPI_Comm copy = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &copy));
  return Communicator(std::make_shared<Impl>(copy));
}

int Communicator::rank() const { return impl_->rank; }
int Communicator::size() const { return impl_->size; }

int Communicator::rank_in_job(int rank) const {
  std::vector<int>& found = impl_->ranks_in_job;
  if (found.empty()) {
    std::vector<int> ranks(static_cast<std::size_t>(size()));
    std::iota(ranks.begin(), ranks.end(), 0);
    found.resize(ranks.size());
    MPI_Group mine = MPI_GROUP_NULL;
    MPI_Group job = MPI_GROUP_NULL;
    check_mpi(MPI_Comm_group(impl_->handle.get(), &mine));
    check_mpi(MPI_Comm_group(MPI_COMM_WORLD, &job));
    check_mpi(MPI_Group_translate_ranks(mine, size(), ranks.data(), job, found.data()));
    check_mpi(MPI_Group_free(&mine));
    check_mpi(MPI_Group_free(&job));
  }
  return found[static_cast<std::size_t>(rank)];
}

Communicator Communicator::split(int color, int key) const {
  const WaitPhase wait("waiting for the other {} ranks to split", size() - 1);
  MPI_Comm part = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(impl_->handle.get(), color < 0 ? MPI_UNDEFINED : color, key, &part));
  return part == MPI_COMM_NULL ? Communicator() : Communicator(std::make_shared<Impl>(part, impl_->wanted_transport));
}

Communicator Communicator::duplicate() const { return with_transport(impl_->wanted_transport); }

Communicator Communicator::with_transport(Transport wanted) const {
  const WaitPhase wait("waiting for the other {} ranks to copy their communicator", size() - 1);
  MPI_Comm copy = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(impl_->handle.get(), &copy));
  return Communicator(std::make_shared<Impl>(copy, wanted));
}

Communicator Communicator::split_by_node() const {
  const WaitPhase wait("waiting for the other {} ranks to split by node", size() - 1);
  MPI_Comm part = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(impl_->handle.get(), MPI_COMM_TYPE_SHARED, rank(), MPI_INFO_NULL, &part));
  return Communicator(std::make_shared<Impl>(part, impl_->wanted_transport));
}

Transport Communicator::transport() const {
  if (!impl_->transport.has_value()) {
    // The facts are the same on every rank, and so is the decision.
    const TransportFacts facts = transport_facts(*this);
    on_every_rank(*this, [&] { impl_->transport = decide_transport(impl_->wanted_transport, facts); });
  }
  return *impl_->transport;
}

void Communicator::barrier() const {
  const WaitPhase wait("waiting in a barrier of {} ranks", size());
  check_mpi(MPI_Barrier(impl_->handle.get()));
}

void Communicator::barrier_asleep() const {
  const WaitPhase wait("waiting, asleep, in a barrier of {} ranks", size());
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Ibarrier(impl_->handle.get(), &request));
  for (int is_done = 0; true;) {
    check_mpi(MPI_Test(&request, &is_done, MPI_STATUS_IGNORE));
    if (is_done != 0) {
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void Communicator::all_reduce(std::span<double> values, Reduction reduction) const {
  const WaitPhase wait("waiting in a reduction over {} ranks", size());
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_DOUBLE,
                          mpi_operation(reduction), impl_->handle.get()));
}

void Communicator::all_reduce(std::span<std::int64_t> values, Reduction reduction) const {
  const WaitPhase wait("waiting in a reduction over {} ranks", size());
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_INT64_T,
                          mpi_operation(reduction), impl_->handle.get()));
}

void Communicator::broadcast(std::span<std::byte> bytes, int root) const {
  const WaitPhase wait("waiting for a broadcast from rank {}", rank_in_job(root));
  for_each_piece(bytes.size(), [&](std::size_t offset, int count) {
    check_mpi(MPI_Bcast(bytes.data() + offset, count, MPI_BYTE, root, impl_->handle.get()));
  });
}

std::string Communicator::broadcast(std::string text, int root) const {
  auto length = static_cast<std::int64_t>(text.size());
  broadcast(std::as_writable_bytes(std::span(&length, 1)), root);
  text.resize(static_cast<std::size_t>(length));
  broadcast(std::as_writable_bytes(std::span(text)), root);
  return text;
}

void Communicator::all_gather_bytes(std::span<const std::byte> mine, std::span<std::byte> all) const {
  const WaitPhase wait("waiting for values of {} ranks", size());
  const int count = static_cast<int>(mine.size());
  check_mpi(MPI_Allgather(mine.data(), count, MPI_BYTE, all.data(), count, MPI_BYTE, impl_->handle.get()));
}

void Communicator::send(std::span<const std::byte> bytes, int destination, int tag) const {
  const WaitPhase wait("waiting for rank {} to receive", rank_in_job(destination));
  for_each_piece(bytes.size(), [&](std::size_t offset, int count) {
    check_mpi(MPI_Send(bytes.data() + offset, count, MPI_BYTE, destination, tag, impl_->handle.get()));
  });
}

void Communicator::receive(std::span<std::byte> bytes, int source, int tag) const {
  const WaitPhase wait("waiting for a message from rank {}", rank_in_job(source));
  for_each_piece(bytes.size(), [&](std::size_t offset, int count) {
    check_mpi(MPI_Recv(bytes.data() + offset, count, MPI_BYTE, source, tag, impl_->handle.get(), MPI_STATUS_IGNORE));
  });
}

int native_handle(const Communicator& communicator) { return MPI_Comm_c2f(MpiAccess::handle(communicator)); }

}  // namespace ringworld
