/// @file  The executor of plans with integers for blocks: who computes with whose block, when, and what comes home.

#include "sequence/executor.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "comm/nodes.hpp"

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

/// One rank's side of a pass: checks each call, and keeps what comes home.
class PlanRun : public PlanWork {
 public:
  explicit PlanRun(const Ring& ring, const Schedule& schedule = {}) : ring_(ring), schedule_(schedule) {
    lanes_.add(ring.communicator(), {}, plan_of(false), nodes_of(ring.communicator()));
    lanes_.add(ring.communicator(), {}, plan_of(true), nodes_of(ring.communicator()));
  }

  void run(bool has_sums, const PassOptions& options = {}) {
    const PlanSteps steps(plan_of(has_sums));
    const Plan& plan = steps.plan();
    has_sums_ = has_sums;
    is_moving_ = options.mode != PassMode::compute_only;
    home_.assign(static_cast<std::size_t>(words_of(ring_.rank())), 0);
    const std::int64_t slot_words = ring_.size() + 1;
    std::vector<std::int64_t> memory(static_cast<std::size_t>((plan.slots.operands + plan.slots.sums) * slot_words),
                                     poison);
    const Slots operands{.memory = std::as_writable_bytes(std::span(memory)).data(),
                         .slot_bytes = slot_words * word_bytes};
    const Slots sums{.memory = operands.slot(plan.slots.operands), .slot_bytes = operands.slot_bytes};
    run_plan(steps,
             {.device = host_device(),
              .ranks = ring_.communicator(),
              .schedule = name_of(schedule_.kind),
              .lanes = lanes_,
              .bytes = [](Cargo, const Piece& piece) { return ByteRange{.count = bytes_of(piece.origin)}; },
              .operands = operands,
              .sums = sums},
             *this, options);
  }

  void pack(const Piece& piece, std::byte* slot) override {
    EXPECT_EQ(piece.origin, ring_.rank());
    const auto own = words_in(slot, piece.origin);
    for (std::size_t index = 0; index < own.size(); ++index) {
      own[index] = operand_word(ring_.rank(), static_cast<std::int64_t>(index));
    }
  }

  void compute(const BlockTask& task, std::byte* operands, std::byte* sums) override {
    const int origin = task.keys.origin;
    EXPECT_EQ(task.queries.origin, ring_.rank());
    visited_.push_back(origin);
    EXPECT_EQ(operands == nullptr, task.operand_slot == none);
    EXPECT_EQ(sums == nullptr, task.result_slot == none);
    if (operands != nullptr && is_moving_) {
      const auto words = words_in(operands, origin);
      for (std::size_t index = 0; index < words.size(); ++index) {
        EXPECT_EQ(words[index], operand_word(origin, static_cast<std::int64_t>(index)))
            << "rank " << ring_.rank() << " computes with a block that is not rank " << origin << "'s";
      }
    }
    if (sums == nullptr) {
      EXPECT_TRUE(!has_sums_ || origin == ring_.rank());
      add_share(origin, has_sums_ ? std::span(home_) : std::span<std::int64_t>{});
    } else {
      std::ranges::fill(words_in(sums, origin), 0);
      add_share(origin, words_in(sums, origin));
    }
  }

  void fold(const Fold& fold, std::byte* arrived, std::byte* into) override {
    const auto from = words_in(arrived, fold.piece.origin);
    const bool is_home = fold.into_slot == none;
    EXPECT_EQ(is_home, fold.piece.origin == ring_.rank());
    homecomings_ += is_home ? 1 : 0;
    const auto to = is_home ? std::span<std::int64_t>(home_) : words_in(into, fold.piece.origin);
    if (fold.kind == FoldKind::replace) {
      std::ranges::copy(from, to.begin());
    } else {
      std::ranges::transform(from, to, to.begin(), std::plus<>{});
    }
  }

  [[nodiscard]] const std::vector<int>& visited() const { return visited_; }
  [[nodiscard]] const std::vector<std::int64_t>& home() const { return home_; }
  [[nodiscard]] int homecomings() const { return homecomings_; }
  [[nodiscard]] Traffic operand_traffic() const { return lanes_.traffic(false); }
  [[nodiscard]] Traffic sum_traffic() const { return lanes_.traffic(true); }

 private:
  static constexpr std::int64_t poison = -77'777;

  [[nodiscard]] Plan plan_of(bool has_sums) const {
    return make_plan(schedule_, has_sums ? AttentionPass::backward : AttentionPass::forward, BackwardRotation::kv,
                     ring_.size(), ring_.rank());
  }
  [[nodiscard]] static std::int64_t bytes_of(int rank) { return word_bytes * words_of(rank); }
  [[nodiscard]] static std::span<std::int64_t> words_in(std::byte* slot, int origin) {
    return as_words(std::span(slot, static_cast<std::size_t>(bytes_of(origin))));
  }
  void add_share(int origin, std::span<std::int64_t> sums) const {
    for (std::size_t index = 0; index < sums.size(); ++index) {
      sums[index] += share(ring_.rank(), origin, static_cast<std::int64_t>(index));
    }
  }

  Ring ring_;
  Schedule schedule_;
  Lanes lanes_;
  bool has_sums_ = false;
  bool is_moving_ = true;
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

TEST(Executor, StepsThatATransferSpansAreKnown) {
  const auto spanned = [](Schedule schedule, int window, int ranks) {
    schedule.window = window;
    const PlanSteps steps(make_plan(schedule, AttentionPass::forward, BackwardRotation::kv, ranks, 1));
    std::vector<int> found;
    for (int step = 0; step < steps.plan().steps; ++step) {
      if (steps.at(step).is_crossed) {
        found.push_back(step);
      }
    }
    return found;
  };
  // A hop is waited for at the end of the step that hides it; the outer hop of a double ring at the end of its window.
  EXPECT_EQ(spanned(ScheduleKind::ring, 0, 6), std::vector<int>{});
  EXPECT_EQ(spanned(ScheduleKind::double_ring, 3, 9), (std::vector<int>{1, 2, 4, 5}));
  EXPECT_EQ(spanned(ScheduleKind::double_ring, 2, 4), (std::vector<int>{1}));
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
