#include "comm/mpi/mpi_requests.hpp"

#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <bit>
#include <exception>
#include <limits>
#include <numeric>
#include <vector>

#include "comm/mpi/messages.hpp"
#include "comm/mpi/mpi_handles.hpp"
#include "core/error.hpp"

namespace ringworld {
namespace {

constexpr auto float_bytes = static_cast<std::int64_t>(sizeof(float));

/// A collective that is one request or several.
class MpiRequests final : public PendingCollective::Impl {
 public:
  explicit MpiRequests(Communicator communicator) : communicator_(std::move(communicator)) {}
  ~MpiRequests() override {
    if (std::uncaught_exceptions() > exceptions_) {
      MpiAccess::leak(communicator_);
      return;
    }
    MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE);
  }
  MpiRequests(const MpiRequests&) = delete;
  MpiRequests& operator=(const MpiRequests&) = delete;

  [[nodiscard]] MPI_Comm communicator() const { return MpiAccess::handle(communicator_); }
  /// A place for one request more.
  [[nodiscard]] MPI_Request* add() { return &requests_.emplace_back(MPI_REQUEST_NULL); }
  /// Numbers that MPI reads until the collective has ended.
  [[nodiscard]] const int* keep(std::vector<int> numbers) { return kept_.emplace_back(std::move(numbers)).data(); }

  bool test() override {
    int is_done = 0;
    check_mpi(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &is_done, MPI_STATUSES_IGNORE));
    return is_done != 0;
  }
  void wait() override {
    check_mpi(MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE));
  }

 private:
  Communicator communicator_;
  std::vector<MPI_Request> requests_;
  std::vector<std::vector<int>> kept_;
  int exceptions_ = std::uncaught_exceptions();
};

/// The unit in which MPI counts blocks and their places: what all of them are made of, as in bytes an `int` would end at
/// 2 GiB. A divisor of a power of two, so that a message can be as short as its limit says.
std::int64_t unit_of(const RankBlocks& blocks, std::int64_t message_limit) {
  auto unit = static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(message_limit)));
  unit = std::gcd(unit, blocks.distance);
  for (const std::int64_t bytes : blocks.bytes) {
    unit = std::gcd(unit, bytes);
  }
  return unit;
}

}  // namespace

int mpi_count(std::int64_t elements) {
  constexpr std::int64_t largest = std::numeric_limits<int>::max();
  require_input(elements <= largest,
                fmt::format("collective: a shard of {} elements is more than MPI counts ({}); use more "
                            "ranks along fsdp, sp or tp",
                            elements, largest));
  return static_cast<int>(elements);
}

Pending post_all_gather(const Communicator& communicator, std::span<const float> mine, std::span<float> all) {
  auto posted = std::make_unique<MpiRequests>(communicator);
  const int count = mpi_count(std::ssize(mine));
  check_mpi(MPI_Iallgather(mine.data(), count, MPI_FLOAT, all.data(), count, MPI_FLOAT, posted->communicator(),
                           posted->add()));
  return posted;
}

Pending post_all_gather(const Communicator& communicator, const RankBlocks& blocks, std::int64_t message_limit) {
  auto posted = std::make_unique<MpiRequests>(communicator);
  const std::int64_t unit = unit_of(blocks, message_limit);
  MPI_Datatype type = MPI_DATATYPE_NULL;
  check_mpi(MPI_Type_contiguous(static_cast<int>(unit), MPI_BYTE, &type));
  check_mpi(MPI_Type_commit(&type));
  // Each call gathers the same stretch of every block, as far as that reaches.
  for_each_message(std::ranges::max(blocks.bytes) / unit, message_limit / unit, [&](std::int64_t offset, int longest) {
    std::vector<int> counts;
    std::vector<int> places;
    for (std::size_t rank = 0; rank < blocks.bytes.size(); ++rank) {
      counts.push_back(
          static_cast<int>(std::clamp<std::int64_t>(blocks.bytes[rank] / unit - offset, 0, std::int64_t{longest})));
      places.push_back(mpi_count(static_cast<std::int64_t>(rank) * (blocks.distance / unit)));
    }
    const int* const kept_counts = posted->keep(std::move(counts));
    const int* const kept_places = posted->keep(std::move(places));
    check_mpi(MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, blocks.memory + offset * unit, kept_counts,
                              kept_places, type, posted->communicator(), posted->add()));
  });
  check_mpi(MPI_Type_free(&type));  // takes effect when the collective has ended
  return posted;
}

/// One reduction a rank, as MPI's reduce-scatter would overwrite the first block with the result.
Pending post_reduce_scatter(const Communicator& communicator, const RankBlocks& blocks, std::int64_t message_limit) {
  auto posted = std::make_unique<MpiRequests>(communicator);
  for (int root = 0; root < communicator.size(); ++root) {
    auto* const block = reinterpret_cast<float*>(blocks.block(root));
    const bool is_own = root == communicator.rank();
    for_each_message(blocks.bytes[static_cast<std::size_t>(root)] / float_bytes, message_limit / float_bytes,
                     [&](std::int64_t offset, int count) {
                       check_mpi(MPI_Ireduce(is_own ? MPI_IN_PLACE : block + offset, is_own ? block + offset : nullptr,
                                             count, MPI_FLOAT, MPI_SUM, root, posted->communicator(), posted->add()));
                     });
  }
  return posted;
}

Pending post_all_to_all(const Communicator& messages, const RankBlocks& sent, const RankBlocks& received,
                        std::int64_t message_limit) {
  auto posted = std::make_unique<MpiRequests>(messages);
  const int ranks = messages.size();
  const int rank = messages.rank();
  // Receives come first, as in a hop. Every rank begins with its neighbour, so that no rank is everybody's first.
  for (int distance = 1; distance < ranks; ++distance) {
    const int from = (rank + ranks - distance) % ranks;
    for_each_message(received.bytes[static_cast<std::size_t>(from)], message_limit,
                     [&](std::int64_t offset, int count) {
                       check_mpi(MPI_Irecv(received.block(from) + offset, count, MPI_BYTE, from, 0,
                                           posted->communicator(), posted->add()));
                     });
  }
  for (int distance = 1; distance < ranks; ++distance) {
    const int to = (rank + distance) % ranks;
    for_each_message(sent.bytes[static_cast<std::size_t>(to)], message_limit, [&](std::int64_t offset, int count) {
      check_mpi(MPI_Isend(sent.block(to) + offset, count, MPI_BYTE, to, 0, posted->communicator(), posted->add()));
    });
  }
  return posted;
}

Pending post_broadcast(const Communicator& communicator, std::span<std::byte> block, int root,
                       std::int64_t message_limit) {
  auto posted = std::make_unique<MpiRequests>(communicator);
  for_each_message(std::ssize(block), message_limit, [&](std::int64_t offset, int count) {
    check_mpi(MPI_Ibcast(block.data() + offset, count, MPI_BYTE, root, posted->communicator(), posted->add()));
  });
  return posted;
}

Pending post_reduce(const Communicator& communicator, std::span<float> values, int root, Reduction reduction,
                    std::int64_t message_limit) {
  auto posted = std::make_unique<MpiRequests>(communicator);
  const bool is_root = communicator.rank() == root;
  for_each_message(std::ssize(values), message_limit / float_bytes, [&](std::int64_t offset, int count) {
    float* const part = values.data() + offset;
    check_mpi(MPI_Ireduce(is_root ? MPI_IN_PLACE : part, is_root ? part : nullptr, count, MPI_FLOAT,
                          mpi_operation(reduction), root, posted->communicator(), posted->add()));
  });
  return posted;
}

Pending post_all_reduce(const Communicator& communicator, std::span<float> values, Reduction reduction,
                        std::int64_t message_limit) {
  auto posted = std::make_unique<MpiRequests>(communicator);
  for_each_message(std::ssize(values), message_limit / float_bytes, [&](std::int64_t offset, int count) {
    check_mpi(MPI_Iallreduce(MPI_IN_PLACE, values.data() + offset, count, MPI_FLOAT, mpi_operation(reduction),
                             posted->communicator(), posted->add()));
  });
  return posted;
}

}  // namespace ringworld
