#include "comm/shift.hpp"

#include "comm/device_choice.hpp"
#include "comm/pretended/pretended.hpp"
#include "comm/rank_traffic.hpp"
#include "comm/shift_impl.hpp"
#include "core/error.hpp"

namespace ringworld {
namespace {

std::unique_ptr<Shift::Impl> make_shift(const Communicator& ranks, const ShiftOptions& options) {
  require(options.message_limit > 0 && options.message_limit <= default_message_limit,
          "a message holds 1 byte to 1 GiB");
  require(options.chunk_bytes > 0 && options.chunk_bytes <= default_message_limit, "a chunk holds 1 byte to 1 GiB");
  if (ranks.is_pretended()) {
    return make_pretended_shift(options);
  }
  if (is_within_reach_of_mpi(options.memory)) {
    return make_mpi_shift(ranks, options);
  }
  require(options.memory != DeviceKind::pinned, "blocks travel from host or from device memory");
  switch (transport_of(ranks, options.memory)) {
    case Transport::nccl:
      return make_nccl_shift(ranks, options);
    case Transport::device_aware_mpi:
      return make_device_aware_shift(ranks, options);
    case Transport::staged:
      return make_staged_shift(ranks, options);
    case Transport::automatic:
      break;
  }
  throw Error(ErrorKind::internal, "the transport was not decided");
}

void check_peer(int peer, std::size_t bytes, int ranks) {
  require(peer >= -1 && peer < ranks, "a hop's peer is no rank of its communicator");
  require(peer >= 0 || bytes == 0, "a hop has a block for nobody, or from nobody");
}

}  // namespace

Shift::Shift(const Communicator& ranks, const ShiftOptions& options)
    : ranks_(ranks.size()), impl_(make_shift(ranks, options)) {
  for (int rank = 0; is_tracing() && rank < ranks_; ++rank) {
    job_ranks_.push_back(ranks.rank_in_job(rank));
  }
}
Shift::Shift(Shift&&) noexcept = default;
Shift& Shift::operator=(Shift&&) noexcept = default;
Shift::~Shift() = default;

void Shift::start(const Peers& peers, std::span<const std::byte> sent, std::span<std::byte> received) {
  check_peer(peers.to, sent.size(), ranks_);
  check_peer(peers.from, received.size(), ranks_);
  if (!sent.empty()) {
    RankTraffic& of_rank = rank_traffic();
    ++of_rank.hops;
    of_rank.hop_bytes += std::ssize(sent);
  }
  if (!job_ranks_.empty()) {
    flight_.begin("hop", std::ssize(sent), in_job(peers.to), in_job(peers.from));
  }
  impl_->start(peers, sent, received);
}

bool Shift::test() {
  const bool has_ended = impl_->test();
  if (has_ended) {
    flight_.end();
  }
  return has_ended;
}

void Shift::wait(const std::function<void()>& meanwhile) {
  impl_->wait(meanwhile);
  flight_.end();
}

int Shift::in_job(int rank) const { return rank < 0 ? rank : job_ranks_[static_cast<std::size_t>(rank)]; }

bool Shift::needs_driving() const { return impl_->needs_driving(); }
const Traffic& Shift::traffic() const { return impl_->traffic; }
void Shift::reset_traffic() { impl_->traffic = {}; }

}  // namespace ringworld
