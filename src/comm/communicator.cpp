#include "comm/communicator.hpp"

#include <algorithm>

#include "comm/communicator_impl.hpp"
#include "comm/transport_facts.hpp"
#include "core/activity.hpp"

namespace ringworld {

Communicator Communicator::world() { return Communicator(make_mpi_world()); }

Communicator Communicator::pretended(int rank, int size) {
  require(rank >= 0 && rank < size, "a pretended communicator needs a rank below its size");
  return Communicator(make_pretended(rank, size));
}

bool Communicator::is_pretended() const { return impl_->is_pretended(); }
int Communicator::rank() const { return impl_->rank; }
int Communicator::size() const { return impl_->size; }

int Communicator::rank_in_job(int rank) const {
  if (impl_->ranks_in_job.empty()) {
    impl_->ranks_in_job = impl_->find_ranks_in_job();
  }
  return impl_->ranks_in_job[static_cast<std::size_t>(rank)];
}

Communicator Communicator::split(int color, int key) const {
  const WaitPhase wait("waiting for the other {} ranks to split", size() - 1);
  return Communicator(impl_->split(color, key));
}

Communicator Communicator::part(std::span<const int> members) const {
  const auto found = std::ranges::find(members, rank());
  require(found != members.end(), "a rank must be in the group that it names");
  const WaitPhase wait("waiting for the other {} ranks to split", size() - 1);
  return Communicator(impl_->part(members, static_cast<int>(found - members.begin())));
}

Communicator Communicator::duplicate() const { return with_transport(impl_->wanted_transport); }

Communicator Communicator::with_transport(Transport wanted) const {
  const WaitPhase wait("waiting for the other {} ranks to copy their communicator", size() - 1);
  return Communicator(impl_->copy(wanted));
}

Communicator Communicator::split_by_node() const {
  const WaitPhase wait("waiting for the other {} ranks to split by node", size() - 1);
  return Communicator(impl_->split_by_node());
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
  impl_->barrier();
}

void Communicator::barrier_asleep() const {
  const WaitPhase wait("waiting, asleep, in a barrier of {} ranks", size());
  impl_->barrier_asleep();
}

void Communicator::all_reduce(std::span<double> values, Reduction reduction) const {
  const WaitPhase wait("waiting in a reduction over {} ranks", size());
  impl_->all_reduce(values, reduction);
}

void Communicator::all_reduce(std::span<std::int64_t> values, Reduction reduction) const {
  const WaitPhase wait("waiting in a reduction over {} ranks", size());
  impl_->all_reduce(values, reduction);
}

void Communicator::broadcast(std::span<std::byte> bytes, int root) const {
  const WaitPhase wait("waiting for a broadcast from rank {}", rank_in_job(root));
  impl_->broadcast(bytes, root);
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
  impl_->all_gather(mine, all);
}

void Communicator::send(std::span<const std::byte> bytes, int destination, int tag) const {
  const WaitPhase wait("waiting for rank {} to receive", rank_in_job(destination));
  impl_->send(bytes, destination, tag);
}

void Communicator::receive(std::span<std::byte> bytes, int source, int tag) const {
  const WaitPhase wait("waiting for a message from rank {}", rank_in_job(source));
  impl_->receive(bytes, source, tag);
}

}  // namespace ringworld
