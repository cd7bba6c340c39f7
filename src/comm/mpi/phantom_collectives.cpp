/// @file  Collectives of memory whose contents mean nothing, between simulated ranks.
///
/// SMPI's own would move real numbers: its reductions hold P vectors at the root and add them up, and blocks of a
/// derived type are copied into memory of its own, so that 32 ranks with vectors of 700 MB need 23 GB. Here a collective
/// is what rings of NCCL move, as messages that nobody reads. Nodes of 4 devices have 4 rings, and each leaves a node at
/// another device:
///
///   one node     0 -> 1 -> 2 -> 3 -> 0
///   two nodes    0 -> 1 -> 2 -> 3 -> 4 -> 5 -> 6 -> 7 -> 0
///                1 -> 2 -> 3 -> 0 -> 5 -> 6 -> 7 -> 4 -> 1        ...
///
/// Every ring turns both ways, with half of the bytes each. All steps of a ring go through the same link of a rank one
/// after another, so they are one message as long as all of them together. The latencies of the steps after the first
/// are added to it as the bytes that the link carries in that time.
///
/// A rank waits for its neighbours only: where one comes late to an all-gather, those far away do not wait for it.
/// Source: NVIDIA, NCCL, rings; Thakur, Rabenseifner, Gropp, "Optimization of Collective Communication Operations in
/// MPICH", 2005, recursive doubling for short vectors.

#include <mpi.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <exception>
#include <limits>
#include <numeric>
#include <vector>

#include "comm/mpi/mpi_handles.hpp"
#include "comm/mpi/mpi_requests.hpp"
#include "core/error.hpp"
#include "core/simulated_ranks.hpp"

namespace ringworld {
namespace {

/// Of a message. No type that is made of others: SMPI would copy the message into memory of its own.
const MPI_Datatype unit = MPI_DOUBLE;
constexpr double unit_bytes = sizeof(double);
/// More than the longest message, in units.
constexpr int most_units = std::numeric_limits<int>::max() / 2;

/// Bytes of a message; what is longer goes as several side by side, which share the link.
constexpr double longest_message = 4e9;

/// A neighbour in the rings of a rank, and its share of what a rank sends.
struct Neighbour {
  int to = 0;
  int from = 0;
  double share = 0;
  SimulatedRoute route;  ///< to it
};

/// The forward half of the rings; the backward half has `to` and `from` exchanged.
std::vector<Neighbour> find_neighbours(const Communicator& ranks) {
  const int group = simulated_platform().ring_devices;
  std::vector<std::vector<int>> nodes;
  std::vector<int> names;
  for (int rank = 0; rank < ranks.size(); ++rank) {
    const int name = ranks.rank_in_job(rank) / group;
    const auto found = std::ranges::find(names, name);
    if (found == names.end()) {
      names.push_back(name);
      nodes.push_back({rank});
    } else {
      nodes[static_cast<std::size_t>(found - names.begin())].push_back(rank);
    }
  }
  const bool is_even = std::ranges::all_of(nodes, [&](const auto& node) { return node.size() == nodes[0].size(); });
  if (!is_even) {  // one ring through all ranks in their order
    nodes.clear();
    for (int rank = 0; rank < ranks.size(); ++rank) {
      nodes.push_back({rank});
    }
  }
  const auto node_count = nodes.size();
  const std::size_t devices = nodes[0].size();
  std::vector<Neighbour> neighbours;
  const auto add = [&](int to, int from, double share) {
    neighbours.push_back({.to = to, .from = from, .share = share, .route = simulated_route(ranks.rank_in_job(to))});
  };
  for (std::size_t node = 0; node < node_count; ++node) {
    for (std::size_t device = 0; device < devices; ++device) {
      if (nodes[node][device] != ranks.rank()) {
        continue;
      }
      const std::size_t up = (device + 1) % devices;
      const std::size_t down = (device + devices - 1) % devices;
      const double inside = node_count == 1 ? 1.0 : static_cast<double>(devices - 1) / static_cast<double>(devices);
      if (devices > 1) {
        add(nodes[node][up], nodes[node][down], inside);
      }
      if (node_count > 1) {
        add(nodes[(node + 1) % node_count][up], nodes[(node + node_count - 1) % node_count][down],
            devices > 1 ? 1 - inside : 1.0);
      }
    }
  }
  return neighbours;
}

class PhantomPending final : public PendingCollective::Impl {
 public:
  explicit PhantomPending(Communicator messages) : messages_(std::move(messages)) {}
  ~PhantomPending() override {
    // An error unwinds this rank alone, and what it waits for may never come.
    if (std::uncaught_exceptions() == exceptions_) {
      MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE);
    }
  }
  PhantomPending(const PhantomPending&) = delete;
  PhantomPending& operator=(const PhantomPending&) = delete;

  void receive(void* memory, int from, int tag) {
    check_mpi(MPI_Irecv(memory, most_units, unit, from, tag, MpiAccess::handle(messages_),
                        &requests_.emplace_back(MPI_REQUEST_NULL)));
  }
  void send(const void* memory, double bytes, int to, int tag) {
    const double units = std::max(1.0, std::ceil(bytes / unit_bytes));
    require(units <= most_units, "collective: longer than what is simulated");
    // SMPI copies short messages, and tells them by their bytes as an `int`: one of 2 to 4 GiB is negative there, and
    // each of its ranks would hold a copy. What is sent synchronously is never copied.
    const auto send_message = units * unit_bytes > std::numeric_limits<int>::max() ? MPI_Issend : MPI_Isend;
    check_mpi(send_message(memory, static_cast<int>(units), unit, to, tag, MpiAccess::handle(messages_),
                           &requests_.emplace_back(MPI_REQUEST_NULL)));
  }

  /// Messages of simulated ranks go on by themselves, and a question to SMPI costs as much as a message. `wait` ends it.
  bool test() override { return false; }
  void wait() override {
    check_mpi(MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE));
  }

 private:
  Communicator messages_;
  std::vector<MPI_Request> requests_;
  int exceptions_ = std::uncaught_exceptions();
};

class PhantomCollectives final : public Collectives {
 public:
  explicit PhantomCollectives(const Communicator& communicator)
      : messages_(communicator.duplicate()), neighbours_(find_neighbours(communicator)) {}

  Pending start_all_gather(const Communicator& communicator, std::span<const float> /*mine*/,
                           std::span<float> all) override {
    return turn(static_cast<double>(all.size_bytes()) * others(communicator), communicator.size() - 1);
  }
  Pending start_reduce_scatter(const Communicator& communicator, std::span<const float> all,
                               std::span<float> /*mine*/) override {
    return turn(static_cast<double>(all.size_bytes()) * others(communicator), communicator.size() - 1);
  }
  Pending start_all_gather(const Communicator& communicator, const RankBlocks& blocks,
                           std::int64_t /*message_limit*/) override {
    return turn(bytes_of(blocks) * others(communicator), communicator.size() - 1);
  }
  Pending start_reduce_scatter(const Communicator& communicator, const RankBlocks& blocks,
                               std::int64_t /*message_limit*/) override {
    return turn(bytes_of(blocks) * others(communicator), communicator.size() - 1);
  }
  Pending start_all_to_all(const Communicator& /*communicator*/, const RankBlocks& sent, const RankBlocks& received,
                           std::int64_t message_limit) override {
    return post_all_to_all(messages_, sent, received, message_limit);
  }
  Pending start_broadcast(const Communicator& communicator, std::span<std::byte> block, int root,
                          std::int64_t /*message_limit*/) override {
    // Nobody has the vector before the root has come.
    Pending pending = turn(static_cast<double>(block.size_bytes()), communicator.size() - 1);
    auto& posted = static_cast<PhantomPending&>(*pending);
    if (communicator.rank() == root) {
      for (int rank = 0; rank < communicator.size(); ++rank) {
        if (rank != root) {
          posted.send(memory(), 0, rank, token_tag);
        }
      }
    } else {
      posted.receive(memory(), root, token_tag);
    }
    return pending;
  }
  Pending start_reduce(const Communicator& communicator, std::span<float> values, int root, Reduction /*reduction*/,
                       std::int64_t /*message_limit*/) override {
    // The root has the sum once all have come.
    Pending pending = turn(static_cast<double>(values.size_bytes()), communicator.size() - 1);
    auto& posted = static_cast<PhantomPending&>(*pending);
    if (communicator.rank() != root) {
      posted.send(memory(), 0, root, token_tag);
    } else {
      for (int rank = 0; rank < communicator.size(); ++rank) {
        if (rank != root) {
          posted.receive(memory(), rank, token_tag);
        }
      }
    }
    return pending;
  }
  Pending start_all_reduce(const Communicator& communicator, std::span<float> values, Reduction /*reduction*/,
                           std::int64_t /*message_limit*/) override {
    const auto bytes = static_cast<double>(values.size_bytes());
    const int rounds = std::bit_width(static_cast<unsigned>(communicator.size() - 1));
    const int steps = 2 * (communicator.size() - 1);
    const double around = 2 * bytes * others(communicator);
    const double doubled = rounds * bytes;
    return seconds(doubled, rounds) < seconds(around, steps) ? turn(doubled, rounds) : turn(around, steps);
  }

 private:
  static constexpr int token_tag = 2;

  static double others(const Communicator& communicator) {
    return static_cast<double>(communicator.size() - 1) / communicator.size();
  }
  static double bytes_of(const RankBlocks& blocks) {
    return static_cast<double>(std::accumulate(blocks.bytes.begin(), blocks.bytes.end(), std::int64_t{0}));
  }
  static std::byte* memory() { return static_cast<std::byte*>(take_phantom_memory(1)); }

  /// Mean latency of a step.
  [[nodiscard]] double step_latency() const {
    return std::transform_reduce(neighbours_.begin(), neighbours_.end(), 0.0, std::plus<>(),
                                 [](const Neighbour& each) { return each.share * each.route.latency; });
  }
  [[nodiscard]] double seconds(double bytes, int steps) const {
    double longest = 0;
    for (const Neighbour& each : neighbours_) {
      longest = std::max(longest, bytes * each.share / each.route.bytes_per_second);
    }
    return steps * step_latency() + longest;
  }

  /// @param bytes  that this rank sends in all steps together
  Pending turn(double bytes, int steps) {
    auto pending = std::make_unique<PhantomPending>(messages_);
    const double late = (steps - 1) * step_latency();
    // As many on both ends of a link, whatever latencies they add.
    const auto messages = [&](const Neighbour& each) {
      return std::max(1, static_cast<int>(std::ceil(bytes * each.share / 2 / longest_message)));
    };
    for (int way = 0; way < 2; ++way) {
      for (const Neighbour& each : neighbours_) {
        for (int message = 0; message < messages(each); ++message) {
          pending->receive(memory(), way == 0 ? each.from : each.to, way);
        }
      }
    }
    for (int way = 0; way < 2; ++way) {
      for (const Neighbour& each : neighbours_) {
        const double sent = (bytes * each.share + late * each.route.bytes_per_second) / 2;
        for (int message = 0; message < messages(each); ++message) {
          pending->send(memory(), sent / messages(each), way == 0 ? each.to : each.from, way);
        }
      }
    }
    return pending;
  }

  Communicator messages_;  // which those of hops and of other collectives must not be mixed with
  std::vector<Neighbour> neighbours_;
};

}  // namespace

std::unique_ptr<Collectives> make_phantom_collectives(const Communicator& communicator) {
  return std::make_unique<PhantomCollectives>(communicator);
}

}  // namespace ringworld
