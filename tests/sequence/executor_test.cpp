/// @file  The executor of plans with integers for blocks: who computes with whose block, when, and what comes home.

#include "sequence/executor.hpp"

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

/// One rank's side of a pass: checks each callback, and keeps what comes home.
class PlanRun {
 public:
  explicit PlanRun(const Ring& ring, Schedule schedule = Schedule::ring)
      : ring_(ring),
        schedule_(schedule),
        operand_lane_(ring.communicator(), {}, any_plan().motion(false)),
        sum_lane_(ring.communicator(), {}, any_plan().motion(true)) {}

  void run(bool has_sums, const PassOptions& options = {}) {
    const Plan plan = plan_of(has_sums);
    home_.assign(static_cast<std::size_t>(words_of(ring_.rank())), 0);
    const std::int64_t slot_words = ring_.size() + 1;
    std::vector<std::int64_t> memory(static_cast<std::size_t>((plan.slots.operands + plan.slots.sums) * slot_words),
                                     poison);
    const Slots operands{.memory = std::as_writable_bytes(std::span(memory)).data(),
                         .slot_bytes = slot_words * word_bytes};
    const Slots sums{.memory = operands.memory + plan.slots.operands * operands.slot_bytes,
                     .slot_bytes = operands.slot_bytes};
    if (plan.packed_slot != none) {
      const auto own = as_words(operands.block(plan.packed_slot, bytes_of(ring_.rank())));
      for (std::size_t index = 0; index < own.size(); ++index) {
        own[index] = operand_word(ring_.rank(), static_cast<std::int64_t>(index));
      }
    }
    const bool is_moving = options.mode != PassMode::compute_only;
    const PlanWork work{.block_bytes = [](Cargo, int rank) { return bytes_of(rank); },
                        .compute =
                            [&](const BlockTask& task, std::span<std::byte> held, std::span<std::byte> shares) {
                              const int origin = task.keys;
                              EXPECT_EQ(task.queries, ring_.rank());
                              visited_.push_back(origin);
                              EXPECT_EQ(held.data() == nullptr, task.operand_slot == none);
                              EXPECT_EQ(shares.data() == nullptr, task.result_slot == none);
                              for (std::size_t index = 0; is_moving && index < as_words(held).size(); ++index) {
                                EXPECT_EQ(as_words(held)[index], operand_word(origin, static_cast<std::int64_t>(index)))
                                    << "rank " << ring_.rank() << " computes with a block that is not rank " << origin
                                    << "'s";
                              }
                              if (task.result_slot == none) {
                                EXPECT_TRUE(!has_sums || origin == ring_.rank());
                                add_share(origin, has_sums ? std::span(home_) : std::span<std::int64_t>{});
                              } else {
                                std::ranges::fill(as_words(shares), 0);
                                add_share(origin, as_words(shares));
                              }
                            },
                        .fold =
                            [&](const Fold& fold, std::span<const std::byte> arrived, std::span<std::byte> into) {
                              const auto from = as_words(arrived);
                              const bool is_home = fold.into_slot == none;
                              EXPECT_EQ(is_home, fold.block == ring_.rank());
                              homecomings_ += is_home ? 1 : 0;
                              const auto to = is_home ? std::span<std::int64_t>(home_) : as_words(into);
                              ASSERT_EQ(from.size(), to.size());
                              if (fold.is_overwriting) {
                                std::ranges::copy(from, to.begin());
                              } else {
                                std::ranges::transform(from, to, to.begin(), std::plus<>{});
                              }
                            }};
    run_plan(plan,
             {.device = host_device(),
              .ranks = ring_.communicator(),
              .schedule = name_of(schedule_),
              .operand_lane = operand_lane_,
              .sum_lane = sum_lane_,
              .operands = operands,
              .sums = sums},
             work, options);
  }

  [[nodiscard]] const std::vector<int>& visited() const { return visited_; }
  [[nodiscard]] const std::vector<std::int64_t>& home() const { return home_; }
  [[nodiscard]] int homecomings() const { return homecomings_; }
  [[nodiscard]] const Traffic& operand_traffic() const { return operand_lane_.traffic(); }
  [[nodiscard]] const Traffic& sum_traffic() const { return sum_lane_.traffic(); }

 private:
  static constexpr std::int64_t poison = -77'777;

  [[nodiscard]] Plan plan_of(bool has_sums) const {
    return make_plan(schedule_, has_sums ? AttentionPass::backward : AttentionPass::forward, BackwardRotation::kv,
                     ring_.size(), ring_.rank());
  }
  [[nodiscard]] Plan any_plan() const { return plan_of(true); }
  [[nodiscard]] static std::int64_t bytes_of(int rank) { return word_bytes * words_of(rank); }
  void add_share(int origin, std::span<std::int64_t> sums) const {
    for (std::size_t index = 0; index < sums.size(); ++index) {
      sums[index] += share(ring_.rank(), origin, static_cast<std::int64_t>(index));
    }
  }

  Ring ring_;
  Schedule schedule_;
  Lane operand_lane_;
  Lane sum_lane_;
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

TEST(Executor, EveryRankMeetsEveryBlockOnceInRingOrder) {
  const Ring ring(Communicator::world());
  PlanRun rotation(ring);
  rotation.run(false);
  EXPECT_EQ(rotation.visited(), expected_visits(ring));
}

TEST(Executor, OperandsTravelOneHopLessThanThereAreRanks) {
  const Ring ring(Communicator::world());
  PlanRun rotation(ring);
  rotation.run(false);
  EXPECT_EQ(rotation.operand_traffic().hops, ring.size() - 1);
  EXPECT_EQ(rotation.operand_traffic().bytes, bytes_of_origins(ring, 0, ring.size() - 2));
  EXPECT_EQ(rotation.sum_traffic().hops, 0);
}

TEST(Executor, GradientsComeHomeComplete) {
  const Ring ring(Communicator::world());
  PlanRun rotation(ring);
  rotation.run(true);
  EXPECT_EQ(rotation.visited(), expected_visits(ring));
  EXPECT_EQ(rotation.home(), expected_home(ring));
  EXPECT_EQ(rotation.homecomings(), ring.size() > 1 ? 1 : 0);
  EXPECT_EQ(rotation.operand_traffic().hops, ring.size() - 1);
  EXPECT_EQ(rotation.sum_traffic().hops, ring.size() - 1);
  EXPECT_EQ(rotation.sum_traffic().bytes, bytes_of_origins(ring, 1, ring.size() - 1));
}

TEST(Executor, ComputingAloneSendsNothing) {
  const Ring ring(Communicator::world());
  PlanRun rotation(ring);
  rotation.run(true, {.mode = PassMode::compute_only});
  EXPECT_EQ(rotation.visited(), expected_visits(ring));
  EXPECT_EQ(rotation.operand_traffic().hops, 0);
  EXPECT_EQ(rotation.sum_traffic().hops, 0);
}

TEST(Executor, TransferringAloneComputesNothingAndSendsTheSame) {
  const Ring ring(Communicator::world());
  PlanRun both(ring);
  both.run(true);
  PlanRun transfer(ring);
  transfer.run(true, {.mode = PassMode::transfer_only});
  EXPECT_TRUE(transfer.visited().empty());
  for (const auto traffic : {&PlanRun::operand_traffic, &PlanRun::sum_traffic}) {
    EXPECT_EQ((transfer.*traffic)().hops, (both.*traffic)().hops);
    EXPECT_EQ((transfer.*traffic)().bytes, (both.*traffic)().bytes);
    EXPECT_EQ((transfer.*traffic)().messages, (both.*traffic)().messages);
  }
}

TEST(Executor, EveryStepIsTimedWhenAsked) {
  const Ring ring(Communicator::world());
  for (const PassMode mode : {PassMode::compute_and_transfer, PassMode::compute_only, PassMode::transfer_only}) {
    std::vector<double> seconds;
    PlanRun rotation(ring);
    rotation.run(true, {.mode = mode, .step_seconds = &seconds});
    // Behind the steps, the last hop of the gradients.
    EXPECT_EQ(static_cast<int>(seconds.size()), ring.size() == 1 ? 1 : ring.size() + 1);
    EXPECT_TRUE(std::ranges::all_of(seconds, [](double step) { return step >= 0; }));
  }
}

TEST(Executor, RingsOfOneProgramDoNotMix) {
  const Communicator world = Communicator::world();
  const Ring half(world.split(world.rank() % 2, world.rank()));
  const Ring whole(world);
  PlanRun in_half(half);
  PlanRun in_whole(whole);
  in_half.run(true);
  in_whole.run(true);
  EXPECT_EQ(in_half.home(), expected_home(half));
  EXPECT_EQ(in_whole.home(), expected_home(whole));
}

}  // namespace
}  // namespace ringworld::test
