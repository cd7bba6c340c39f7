/// @file  The ring loop with integers for blocks: who computes with whose block, when, and what comes home.

#include "ring/rotation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace ringworld::test {
namespace {

/// Blocks of uneven length: rank r owns r + 1 words, or none when r is a multiple of three (but not 0).
std::int64_t words_of(int rank) { return rank > 0 && rank % 3 == 0 ? 0 : rank + 1; }
constexpr std::int64_t word_bytes = 8;

std::int64_t operand_word(int origin, std::int64_t index) { return 1000 * (origin + 1) + index; }

/// What `rank` adds to the sums of the block of `origin`. No two pairs of ranks give the same.
std::int64_t share(int rank, int origin, std::int64_t index) {
  return (std::int64_t{1} << rank) * (origin + 7) + index;
}

std::span<std::int64_t> as_words(std::span<std::byte> bytes) {
  return {reinterpret_cast<std::int64_t*>(bytes.data()), bytes.size() / word_bytes};
}
std::span<const std::int64_t> as_words(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const std::int64_t*>(bytes.data()), bytes.size() / word_bytes};
}

/// One rank's side of a rotation: checks each callback, and keeps what comes home.
class Rotation {
 public:
  explicit Rotation(const Ring& ring)
      : ring_(ring), operand_shift_(ring), gradient_shift_(ring), memory_(5 * largest_words(), poison) {
    const auto block = [&](std::int64_t index) {
      return std::as_writable_bytes(std::span(memory_).subspan(static_cast<std::size_t>(index * largest_words()),
                                                               static_cast<std::size_t>(largest_words())));
    };
    operands_ = {.current = block(0), .incoming = block(1)};
    gradients_ = {.work = block(2), .outgoing = block(3), .incoming = block(4)};
    for (std::int64_t index = 0; index < words_of(ring.rank()); ++index) {
      as_words(operands_.current)[static_cast<std::size_t>(index)] = operand_word(ring.rank(), index);
    }
  }

  void run(bool has_gradients, const RotationOptions& options = {}) {
    home_.assign(static_cast<std::size_t>(words_of(ring_.rank())), 0);
    const auto bytes_of = [](int origin) { return word_bytes * words_of(origin); };
    const bool is_moving = options.mode != RotationMode::compute_only;
    const RotationSteps steps{
        .operand_bytes = bytes_of,
        .gradient_bytes = bytes_of,
        .compute =
            [&](int origin, std::span<std::byte> held, std::span<std::byte> sums) {
              visited_.push_back(origin);
              if (origin == ring_.rank()) {
                EXPECT_TRUE(held.empty());
                EXPECT_TRUE(sums.empty());
                add_share(origin, home_);
                return;
              }
              EXPECT_EQ(static_cast<std::int64_t>(held.size()), bytes_of(origin));
              for (std::size_t index = 0; is_moving && index < as_words(held).size(); ++index) {
                EXPECT_EQ(as_words(held)[index], operand_word(origin, static_cast<std::int64_t>(index)))
                    << "rank " << ring_.rank() << " computes with a block that is not rank " << origin << "'s";
              }
              EXPECT_EQ(static_cast<std::int64_t>(sums.size()), has_gradients ? bytes_of(origin) : 0);
              std::ranges::fill(as_words(sums), 0);
              add_share(origin, as_words(sums));
            },
        .add =
            [&](int origin, std::span<const std::byte> from_previous, std::span<std::byte> sums) {
              const auto from = as_words(from_previous);
              const bool is_home = origin == ring_.rank();
              homecomings_ += is_home ? 1 : 0;
              const auto to = is_home ? std::span<std::int64_t>(home_) : as_words(sums);
              ASSERT_EQ(from.size(), to.size());
              std::ranges::transform(from, to, to.begin(), std::plus<>{});
            }};
    rotate(host_device(), ring_, operand_shift_, operands_, gradient_shift_, has_gradients ? &gradients_ : nullptr,
           steps, options);
  }

  [[nodiscard]] const std::vector<int>& visited() const { return visited_; }
  [[nodiscard]] const std::vector<std::int64_t>& home() const { return home_; }
  [[nodiscard]] int homecomings() const { return homecomings_; }
  [[nodiscard]] const Traffic& operand_traffic() const { return operand_shift_.traffic(); }
  [[nodiscard]] const Traffic& gradient_traffic() const { return gradient_shift_.traffic(); }

 private:
  static constexpr std::int64_t poison = -77'777;

  [[nodiscard]] std::int64_t largest_words() const { return ring_.size() + 1; }
  void add_share(int origin, std::span<std::int64_t> sums) const {
    for (std::size_t index = 0; index < sums.size(); ++index) {
      sums[index] += share(ring_.rank(), origin, static_cast<std::int64_t>(index));
    }
  }

  Ring ring_;
  Shift operand_shift_;
  Shift gradient_shift_;
  std::vector<std::int64_t> memory_;
  OperandBuffers operands_;
  GradientBuffers gradients_;
  std::vector<int> visited_;
  std::vector<std::int64_t> home_;
  int homecomings_ = 0;
};

std::vector<int> expected_visits(const Ring& ring) {
  std::vector<int> origins;
  for (int step = 0; step < ring.size(); ++step) {
    origins.push_back((ring.rank() - step + ring.size()) % ring.size());
  }
  return origins;
}

std::vector<std::int64_t> expected_home(const Ring& ring) {
  std::vector<std::int64_t> sums;
  for (std::int64_t index = 0; index < words_of(ring.rank()); ++index) {
    std::int64_t sum = 0;
    for (int rank = 0; rank < ring.size(); ++rank) {
      sum += share(rank, ring.rank(), index);
    }
    sums.push_back(sum);
  }
  return sums;
}

/// Bytes that a rank sends when it passes on the blocks of `origins`.
std::int64_t bytes_of_origins(const Ring& ring, int first_hop, int last_hop) {
  std::int64_t bytes = 0;
  for (int hop = first_hop; hop <= last_hop; ++hop) {
    bytes += word_bytes * words_of(ring.origin_after(hop));
  }
  return bytes;
}

TEST(Rotation, EveryRankMeetsEveryBlockOnceInRingOrder) {
  const Ring ring(Communicator::world());
  Rotation rotation(ring);
  rotation.run(false);
  EXPECT_EQ(rotation.visited(), expected_visits(ring));
}

TEST(Rotation, OperandsTravelOneHopLessThanThereAreRanks) {
  const Ring ring(Communicator::world());
  Rotation rotation(ring);
  rotation.run(false);
  EXPECT_EQ(rotation.operand_traffic().hops, ring.size() - 1);
  EXPECT_EQ(rotation.operand_traffic().bytes, bytes_of_origins(ring, 0, ring.size() - 2));
  EXPECT_EQ(rotation.gradient_traffic().hops, 0);
}

TEST(Rotation, GradientsComeHomeComplete) {
  const Ring ring(Communicator::world());
  Rotation rotation(ring);
  rotation.run(true);
  EXPECT_EQ(rotation.visited(), expected_visits(ring));
  EXPECT_EQ(rotation.home(), expected_home(ring));
  EXPECT_EQ(rotation.homecomings(), ring.size() > 1 ? 1 : 0);
  EXPECT_EQ(rotation.operand_traffic().hops, ring.size() - 1);
  EXPECT_EQ(rotation.gradient_traffic().hops, ring.size() - 1);
  EXPECT_EQ(rotation.gradient_traffic().bytes, bytes_of_origins(ring, 1, ring.size() - 1));
}

TEST(Rotation, ComputingAloneSendsNothing) {
  const Ring ring(Communicator::world());
  Rotation rotation(ring);
  rotation.run(true, {.mode = RotationMode::compute_only});
  EXPECT_EQ(rotation.visited(), expected_visits(ring));
  EXPECT_EQ(rotation.operand_traffic().hops, 0);
  EXPECT_EQ(rotation.gradient_traffic().hops, 0);
}

TEST(Rotation, TransferringAloneComputesNothingAndSendsTheSame) {
  const Ring ring(Communicator::world());
  Rotation both(ring);
  both.run(true);
  Rotation transfer(ring);
  transfer.run(true, {.mode = RotationMode::transfer_only});
  EXPECT_TRUE(transfer.visited().empty());
  for (const auto traffic : {&Rotation::operand_traffic, &Rotation::gradient_traffic}) {
    EXPECT_EQ((transfer.*traffic)().hops, (both.*traffic)().hops);
    EXPECT_EQ((transfer.*traffic)().bytes, (both.*traffic)().bytes);
    EXPECT_EQ((transfer.*traffic)().messages, (both.*traffic)().messages);
  }
}

TEST(Rotation, EveryStepIsTimedWhenAsked) {
  const Ring ring(Communicator::world());
  for (const RotationMode mode :
       {RotationMode::compute_and_transfer, RotationMode::compute_only, RotationMode::transfer_only}) {
    std::vector<double> seconds;
    Rotation rotation(ring);
    rotation.run(true, {.mode = mode, .step_seconds = &seconds});
    // Behind the steps, the last hop of the gradients.
    EXPECT_EQ(static_cast<int>(seconds.size()), ring.size() == 1 ? 1 : ring.size() + 1);
    EXPECT_TRUE(std::ranges::all_of(seconds, [](double step) { return step >= 0; }));
  }
}

TEST(Rotation, RingsOfOneProgramDoNotMix) {
  const Communicator world = Communicator::world();
  const Ring half(world.split(world.rank() % 2, world.rank()));
  const Ring whole(world);
  Rotation in_half(half);
  Rotation in_whole(whole);
  in_half.run(true);
  in_whole.run(true);
  EXPECT_EQ(in_half.home(), expected_home(half));
  EXPECT_EQ(in_whole.home(), expected_home(whole));
}

}  // namespace
}  // namespace ringworld::test
