/// @file  One rank of a job that is not there.

#include <cstring>
#include <numeric>

#include "comm/communicator_impl.hpp"
#include "core/error.hpp"

namespace ringworld {
namespace {

/// The result of reducing `size` equal values.
template <class T>
void reduce_equals(std::span<T> values, int size, Reduction reduction) {
  if (reduction == Reduction::sum) {
    for (T& value : values) {
      value *= static_cast<T>(size);
    }
  }
}

class PretendedCommunicator final : public Communicator::Impl {
 public:
  using Impl::Impl;

  [[nodiscard]] bool is_pretended() const override { return true; }

  [[nodiscard]] std::vector<int> find_ranks_in_job() const override {
    std::vector<int> ranks(static_cast<std::size_t>(size));
    std::iota(ranks.begin(), ranks.end(), 0);
    return ranks;
  }

  [[nodiscard]] std::shared_ptr<Impl> split(int /*color*/, int /*key*/) const override {
    throw Error(ErrorKind::internal,
                "a pretended communicator cannot split: the colors of the other ranks are not known");
  }
  [[nodiscard]] std::shared_ptr<Impl> part(std::span<const int> members, int index) const override {
    return std::make_shared<PretendedCommunicator>(index, static_cast<int>(members.size()), wanted_transport);
  }
  [[nodiscard]] std::shared_ptr<Impl> copy(Transport wanted) const override {
    return std::make_shared<PretendedCommunicator>(rank, size, wanted);
  }
  [[nodiscard]] std::shared_ptr<Impl> split_by_node() const override {
    return std::make_shared<PretendedCommunicator>(0, 1, wanted_transport);
  }

  void barrier() override {}
  void barrier_asleep() override {}
  void all_reduce(std::span<double> values, Reduction reduction) override { reduce_equals(values, size, reduction); }
  void all_reduce(std::span<std::int64_t> values, Reduction reduction) override {
    reduce_equals(values, size, reduction);
  }
  void broadcast(std::span<std::byte> /*bytes*/, int /*root*/) override {}
  void all_gather(std::span<const std::byte> mine, std::span<std::byte> all) override {
    for (std::size_t offset = 0; offset < all.size(); offset += mine.size()) {
      std::memcpy(all.data() + offset, mine.data(), mine.size());
    }
  }
  void send(std::span<const std::byte> /*bytes*/, int /*destination*/, int /*tag*/) override {}
  void receive(std::span<std::byte> /*bytes*/, int /*source*/, int /*tag*/) override {}
};

}  // namespace

std::shared_ptr<Communicator::Impl> make_pretended(int rank, int size) {
  return std::make_shared<PretendedCommunicator>(rank, size, Transport::automatic);
}

}  // namespace ringworld
